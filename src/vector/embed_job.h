#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <boost/json/value.hpp>

#include "base/error.h"
#include "jobs/job_service.h"
#include "vector/index_registry.h"
#include "vector/vector_service.h"

namespace lakehouse::vector {

/// The kind of job that fills and refreshes indexes. Its spec: {"id", "generation", "rebuild"}.
inline constexpr std::string_view kIndexJob = "vector.index";

/// What a run needs. All of it outlives the run.
struct EmbedParts {
  const VectorService::Parts& parts;
  IndexRegistry& registry;
  std::size_t batch_chunks = 512;
  /// Called when a generation has new files.
  std::function<void(const IndexInfo&, const Generation&)> on_files;
};

/// Brings a generation of an index up to its source's current snapshot: compares what is embedded
/// with what there is, removes what is gone, embeds what is new or changed, and makes the files
/// anew if much differs from them.
///
/// What is done is what the embeddings hold: each batch is one commit of whole rows, so a run that
/// is killed costs one batch, and the next one goes on with what is missing. Rows that cannot be
/// embedded are set aside with the reason. Embedding and writing run side by side.
Result<boost::json::value> run_embed_job(const EmbedParts& parts, jobs::JobContext& job);

}  // namespace lakehouse::vector
