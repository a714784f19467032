#include "cli/options.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::cli {
namespace {

constexpr std::array<std::pair<std::string_view, OutputFormat>, 7> kFormats = {
    {{"table", OutputFormat::Table},
     {"lines", OutputFormat::Lines},
     {"csv", OutputFormat::Csv},
     {"json", OutputFormat::Json},
     {"ndjson", OutputFormat::Ndjson},
     {"arrow", OutputFormat::Arrow},
     {"parquet", OutputFormat::Parquet}}};

/// Holds what CLI11 writes into while it parses.
struct Targets {
  ServeOptions serve;
  IngestOptions ingest;
  SqlOptions sql;
  DatasetsOptions datasets;
  QueriesOptions queries;
  JobsOptions jobs;
  TrialsOptions trials;
  SearchOptions search;
  AskOptions ask;
  RagOptions rag;
  IndexOptions index;
  ModelOptions model;
  ConfigOptions config;
  std::string format;
  std::vector<std::string> named;
  KeysOptions keys;
  RebuildOptions rebuild;
  ServerAddress server;
};

void add_server_option(CLI::App& command, Targets& targets) {
  command
      .add_option("-s,--server", targets.server.url,
                  "The server's URL [LAKEHOUSE_SERVER, else http://127.0.0.1:3100]")
      ->type_name("URL");
  command
      .add_option("--token", targets.server.token,
                  "A key or token for it [LAKEHOUSE_TOKEN, which others on the machine do not see]")
      ->type_name("TOKEN");
}

void add_serve(CLI::App& app, Targets& targets) {
  CLI::App* command = app.add_subcommand("serve", "Run the server until it is told to stop");
  command->add_option("-c,--config", targets.serve.config, "Configuration file")->type_name("FILE");
  command->add_option("-d,--data", targets.serve.data, "Folder that holds everything")
      ->type_name("DIR");
  command->add_option("-l,--listen", targets.serve.listen, "Address; port 0 takes a free one")
      ->type_name("HOST:PORT");
  command->add_flag("--insecure", targets.serve.insecure,
                    "Listen beyond loopback although nobody is asked who they are");
}

void add_ingest(CLI::App& app, Targets& targets) {
  IngestOptions& ingest = targets.ingest;
  CLI::App* command = app.add_subcommand(
      "ingest", "Load CSV, JSON, NDJSON or Parquet files (also .gz, .zst) into datasets");
  command->add_option("files", ingest.files, "Files; - is the standard input")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("-d,--dataset", ingest.dataset,
                   "NAMESPACE.TABLE or TABLE; from each file's name if not given")
      ->type_name("NAME");
  command
      ->add_option("-m,--mode", ingest.mode,
                   "append (the default; creates the dataset), replace or create")
      ->check(CLI::IsMember({"append", "replace", "create"}))
      ->type_name("MODE");
  command
      ->add_option("--max-bad-rows", ingest.max_bad_rows,
                   "How many bad rows are put up with: a number, or a share like 1%")
      ->type_name("N");
  command
      ->add_option("--nested", ingest.nested,
                   "Nested JSON objects: flatten (the default) or struct")
      ->check(CLI::IsMember({"flatten", "struct"}))
      ->type_name("HOW");
  command->add_option("--bucket", ingest.bucket, "Bucket for a dataset that is created")
      ->type_name("NAME");
  command
      ->add_option("--source", ingest.source,
                   "System that the files are from, such as crm: for the datasets' lineage")
      ->type_name("NAME");
  command->add_flag("--json", ingest.json, "Print the server's answer, one JSON object a file");
  add_server_option(*command, targets);
}

void add_sql(CLI::App& app, Targets& targets) {
  SqlOptions& sql = targets.sql;
  CLI::App* command =
      app.add_subcommand("sql", "Run SQL; without a statement or file, interactively");
  command->add_option("statement", sql.statement, "One or more statements")->type_name("STATEMENT");
  command->add_option("-f,--file", sql.file, "Run the statements of a file; - is standard input")
      ->type_name("FILE");
  std::vector<std::string> names;
  names.reserve(kFormats.size());
  for (const auto& [name, format] : kFormats) {
    names.emplace_back(name);
  }
  command
      ->add_option("--format", targets.format,
                   "table (the default), lines, csv, json, ndjson, arrow (IPC stream) or parquet")
      ->check(CLI::IsMember(names))
      ->type_name("FORMAT");
  command->add_option("-o,--output", sql.output, "Write the result to a file")->type_name("FILE");
  command
      ->add_option("--limit", sql.limit,
                   "At most so many rows; tables show 200 if it is not given, other formats all")
      ->type_name("N");
  command->add_option("--timeout-ms", sql.timeout_ms, "Give up after so many milliseconds")
      ->type_name("N");
  command
      ->add_option(
          "--engine", sql.engine,
          "Where a SELECT runs: local, trino (the server's cluster), or auto (the default)")
      ->check(CLI::IsMember({"auto", "local", "trino"}))
      ->type_name("ENGINE");
  command->add_option("--arg", sql.positional, "Value of the next ? parameter; may be repeated")
      ->type_name("VALUE")
      ->allow_extra_args(false);
  command->add_option("--param", targets.named, "Value of the parameter $NAME; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_flag("-i,--interactive", sql.interactive,
                    "Read statements from the terminal even if it looks like none");
  add_server_option(*command, targets);
}

/// What is known about datasets: who they belong to, where they come from, what they were.
void add_registry(CLI::App& command, CLI::App& list, Targets& targets) {
  DatasetsOptions& datasets = targets.datasets;
  using Action = DatasetsOptions::Action;
  list.add_option("--owner", datasets.owner, "Only datasets of this owner");
  list.add_option("--tag", datasets.tag, "Only datasets with this tag");
  list.add_option("--sensitivity", datasets.sensitivity, "Only datasets as sensitive as this");
  list.add_flag("--stale", datasets.stale, "Only datasets that are older than they may be");
  const auto add = [&](const char* name, const char* help, Action action) {
    CLI::App* added = command.add_subcommand(name, help);
    added->add_option("name", datasets.name, "NAMESPACE.TABLE or TABLE")->required();
    added->callback([&datasets, action] { datasets.action = action; });
    add_server_option(*added, targets);
    added->add_flag("--json", datasets.json, "Print the server's answers as JSON");
    return added;
  };
  CLI::App* describe =
      add("describe", "Say what a dataset or a column is; '-' removes", Action::Describe);
  describe->add_option("--description", datasets.description, "What the dataset holds");
  describe->add_option("--owner", datasets.owner, "Who answers for it");
  describe->add_option("--sensitivity", datasets.sensitivity,
                       "public, internal, confidential or restricted");
  describe->add_option("--tag", datasets.tags, "A tag; all of them are replaced")
      ->allow_extra_args(false);
  describe->add_option("--freshness-sla-s", datasets.freshness_sla_s,
                       "How old the last write may be, in seconds");
  describe->add_option("--column", datasets.column, "Set --sensitivity, --category, --note of it");
  describe->add_option("--category", datasets.category, "Personal data of a column, such as email");
  describe->add_option("--note", datasets.note, "What a column holds");
  add("lineage", "Where a dataset comes from and what is made of it", Action::Lineage);
  add("history", "Who changed what is known about a dataset", Action::History);
  add("snapshots", "What a dataset was, newest first", Action::Snapshots);
  CLI::App* rollback = add("rollback", "Make another snapshot the current one", Action::Rollback);
  rollback->add_option("snapshot", datasets.snapshot_id, "One of its snapshots")->required();
}

void add_schema(CLI::App& command, Targets& targets) {
  DatasetsOptions& datasets = targets.datasets;
  CLI::App* diff = command.add_subcommand("diff", "What differs between a dataset and a file");
  diff->add_option("--snapshot", datasets.snapshot_id, "Compare with how the dataset was then")
      ->type_name("ID");
  diff->add_flag("--prompt", datasets.prompt, "Print a question for a language model, too");
  diff->callback([&] { datasets.action = DatasetsOptions::Action::Diff; });
  CLI::App* migrate =
      command.add_subcommand("migrate", "Change a dataset so that a file fits, and remember how");
  migrate
      ->add_option("--min-confidence", datasets.confidence_min,
                   "Apply recommended rules at least so sure (0.8)")
      ->type_name("SHARE");
  migrate->add_flag("--cast", datasets.casts,
                    "Convert values to the columns' types, even if that may lose something");
  migrate->add_flag("--drop", datasets.drops, "Drop columns that the file lacks");
  migrate->add_flag("--dry-run", datasets.dry_run, "Change nothing");
  migrate->add_flag("-y,--yes", datasets.yes, "Do not ask");
  migrate->callback([&] { datasets.action = DatasetsOptions::Action::Migrate; });
  for (CLI::App* action : {diff, migrate}) {
    action->add_option("name", datasets.name, "NAMESPACE.TABLE or TABLE")->required();
    action->add_option("file", datasets.file, "CSV, JSON, NDJSON or Parquet")
        ->required(action == migrate)
        ->type_name("FILE");
    action
        ->add_option("--source", datasets.source,
                     "Where such files are from; else as the file's name says")
        ->type_name("NAME");
    add_server_option(*action, targets);
    action->add_flag("--json", datasets.json, "Print the server's answers as JSON");
  }
}

void add_profile(CLI::App& command, Targets& targets) {
  DatasetsOptions& datasets = targets.datasets;
  CLI::App* profile =
      command.add_subcommand("profile", "What a dataset's columns hold, in numbers");
  profile->add_option("--column", datasets.column, "All about one column")->type_name("NAME");
  profile->add_option("--snapshot", datasets.snapshot_id, "The dataset as it was then")
      ->type_name("ID");
  profile->callback([&] { datasets.action = DatasetsOptions::Action::Profile; });
  CLI::App* pii = command.add_subcommand("pii", "Personal data that was found in a dataset");
  pii->add_flag("--scan", datasets.scan, "Look for it first");
  pii->callback([&] { datasets.action = DatasetsOptions::Action::Pii; });
  for (CLI::App* action : {profile, pii}) {
    action->add_option("name", datasets.name, "NAMESPACE.TABLE or TABLE")->required();
    add_server_option(*action, targets);
    action->add_flag("--json", datasets.json, "Print the server's answers as JSON");
  }
}

void add_datasets(CLI::App& app, Targets& targets) {
  DatasetsOptions& datasets = targets.datasets;
  CLI::App* command = app.add_subcommand("datasets", "List, show and drop datasets");
  command->require_subcommand(0, 1);
  add_server_option(*command, targets);
  command->add_flag("--json", datasets.json, "Print the server's answers as JSON");
  CLI::App* list = command->add_subcommand("list", "All datasets (the default)");
  list->callback([&] { datasets.action = DatasetsOptions::Action::List; });
  CLI::App* show = command->add_subcommand("show", "One dataset with its columns");
  show->add_option("name", datasets.name, "NAMESPACE.TABLE or TABLE")->required();
  show->callback([&] { datasets.action = DatasetsOptions::Action::Show; });
  CLI::App* drop = command->add_subcommand("drop", "Drop a dataset");
  drop->add_option("name", datasets.name, "NAMESPACE.TABLE or TABLE")->required();
  drop->add_flag("--purge", datasets.purge, "Delete its files, too");
  drop->add_flag("-y,--yes", datasets.yes, "Do not ask");
  drop->callback([&] { datasets.action = DatasetsOptions::Action::Drop; });
  for (CLI::App* action : {list, show, drop}) {
    add_server_option(*action, targets);
    action->add_flag("--json", datasets.json, "Print the server's answers as JSON");
  }
  add_registry(*command, *list, targets);
  add_profile(*command, targets);
  add_schema(*command, targets);
}

void add_queries(CLI::App& app, Targets& targets) {
  using Action = QueriesOptions::Action;
  QueriesOptions& queries = targets.queries;
  CLI::App* command =
      app.add_subcommand("queries", "Show what runs, cancel it, and look at what has run");
  command->require_subcommand(0, 1);
  add_server_option(*command, targets);
  command->add_flag("--json", queries.json, "Print the server's answers as JSON");
  const auto add = [&](std::string name, std::string what, Action action) {
    CLI::App* made = command->add_subcommand(std::move(name), std::move(what));
    made->callback([&queries, action] { queries.action = action; });
    add_server_option(*made, targets);
    return made;
  };
  CLI::App* list = add("list", "The statements that run now (the default)", Action::List);
  CLI::App* log = add("log", "The statements that have run, the latest first", Action::Log);
  for (CLI::App* action : {list, log}) {
    action->add_flag("--json", queries.json, "Print the server's answers as JSON");
  }
  log->add_option("--limit", queries.limit, "How many (20)")->check(CLI::Range(1, 1000));
  log->add_option("--principal", queries.principal, "Only this caller's")->type_name("NAME");
  log->add_flag("--failed", queries.failed, "Only those that failed");
  CLI::App* show = add("show", "One statement that has run", Action::Show);
  show->add_flag("--plan", queries.plan, "With the plan that it would have now");
  CLI::App* cancel = add("cancel", "Cancel a statement that runs", Action::Cancel);
  for (CLI::App* action : {show, cancel}) {
    action->add_option("id", queries.id, "The query's id")->required();
  }
}

void add_jobs(CLI::App& app, Targets& targets) {
  using Action = JobsOptions::Action;
  JobsOptions& jobs = targets.jobs;
  CLI::App* command = app.add_subcommand("jobs", "Show long work, watch it, cancel it");
  command->require_subcommand(0, 1);
  add_server_option(*command, targets);
  command->add_flag("--json", jobs.json, "Print the server's answers as JSON");
  const auto add = [&](std::string name, std::string what, Action action) {
    CLI::App* made = command->add_subcommand(std::move(name), std::move(what));
    made->callback([&jobs, action] { jobs.action = action; });
    add_server_option(*made, targets);
    return made;
  };
  CLI::App* list = add("list", "The latest jobs (the default)", Action::List);
  list->add_option("--state", jobs.state, "Only such")
      ->check(CLI::IsMember({"queued", "running", "done", "failed", "cancelled"}));
  list->add_option("--kind", jobs.kind, "Only of that kind")->type_name("KIND");
  list->add_option("--limit", jobs.limit, "How many (20)")->check(CLI::Range(1, 1000));
  CLI::App* show = add("show", "All about one job", Action::Show);
  for (CLI::App* action : {list, show}) {
    action->add_flag("--json", jobs.json, "Print the server's answers as JSON");
  }
  CLI::App* watch =
      add("watch", "Follow a job by a bar until it is over; fails if it does", Action::Watch);
  CLI::App* cancel = add("cancel", "Cancel a job", Action::Cancel);
  for (CLI::App* action : {show, watch, cancel}) {
    action->add_option("id", jobs.id, "The job's id")->required();
  }
}

void add_search(CLI::App& app, Targets& targets) {
  SearchOptions& search = targets.search;
  CLI::App* command = app.add_subcommand("search", "Find texts by meaning, by words or by both");
  add_server_option(*command, targets);
  command->add_option("index", search.index, "The index")->required();
  command->add_option("text", search.text, "What to look for")->required();
  command->add_option("-k,--k", search.k, "How many (10)")->check(CLI::Range(1, 1000));
  command->add_option("--filter", search.filter, "Only rows of which this is true, in SQL")
      ->type_name("SQL");
  command->add_option("--mode", search.mode, "vector, text or hybrid (the default)")
      ->check(CLI::IsMember({"vector", "text", "hybrid"}));
  command->add_flag("--rerank", search.rerank, "Look at the best ones again");
  command->add_flag("--exact", search.exact, "Compare with all vectors");
  command->add_flag("--one-per-row", search.one_per_row, "The best chunk of each row only");
  command->add_flag("--json", search.json, "Print the server's answer as JSON");
}

void add_ask(CLI::App& app, Targets& targets) {
  AskOptions& ask = targets.ask;
  CLI::App* command =
      app.add_subcommand("ask", "Ask in plain language: the SQL, and the rows that it gives");
  add_server_option(*command, targets);
  command->add_option("question", ask.question, "The question")->required();
  command->add_option("--hint", ask.hint, "What the question takes for known");
  command->add_option("--dataset", ask.datasets, "Only this one, as namespace.table; repeatable");
  command->add_option("--model", ask.model, "Which model writes the SQL");
  command->add_option("--limit", ask.row_limit, "Rows that are shown (100)")
      ->check(CLI::Range(1, 10'000));
  command->add_flag("--json", ask.json, "Print the server's answer as JSON");
}

void add_rag(CLI::App& app, Targets& targets) {
  RagOptions& rag = targets.rag;
  CLI::App* command =
      app.add_subcommand("rag", "Answer a question from an index, with what stands behind it");
  add_server_option(*command, targets);
  command->add_option("index", rag.index, "The index")->required();
  command->add_option("question", rag.question, "The question")->required();
  command->add_option("-k,--k", rag.k, "Chunks to answer from (8)")->check(CLI::Range(1, 50));
  command->add_option("--filter", rag.filter, "Only rows of which this is true, in SQL")
      ->type_name("SQL");
  command->add_option("--model", rag.model,
                      "Who words the answer; 'extractive': sentences as they stand");
  command->add_flag("--json", rag.json, "Print the server's answer as JSON");
}

void add_index(CLI::App& app, Targets& targets) {
  using Action = IndexOptions::Action;
  IndexOptions& index = targets.index;
  CLI::App* command =
      app.add_subcommand("index", "Make indexes to search by meaning, and see them");
  command->require_subcommand(0, 1);
  add_server_option(*command, targets);
  command->add_flag("--json", index.json, "Print the server's answers as JSON");
  const auto add = [&](std::string name, std::string what, Action action) {
    CLI::App* made = command->add_subcommand(std::move(name), std::move(what));
    made->callback([&index, action] { index.action = action; });
    add_server_option(*made, targets);
    return made;
  };
  CLI::App* list = add("list", "The indexes (the default)", Action::List);
  CLI::App* stale = add("stale", "Indexes whose dataset has changed since", Action::Stale);
  CLI::App* show = add("show", "All about one index, as JSON", Action::Show);
  CLI::App* create = add("create", "Make an index of a dataset's texts", Action::Create);
  CLI::App* refresh = add("refresh", "Embed what is new or changed", Action::Refresh);
  CLI::App* drop = add("drop", "Drop an index with its embeddings", Action::Drop);
  for (CLI::App* action : {list, stale}) {
    action->add_flag("--json", index.json, "Print the server's answers as JSON");
  }
  for (CLI::App* action : {show, create, drop}) {
    action->add_option("name", index.name, "The index")->required();
  }
  refresh->add_option("name", index.name, "A dataset, or one index")->required();
  create->add_option("dataset", index.dataset, "The dataset")->required();
  create->add_option("--key", index.key, "The column that tells its rows apart")->required();
  create->add_option("--text", index.text, "The columns to embed")->type_name("COLUMN");
  create->add_option("--template", index.text_template, "Or a text with columns in braces");
  create->add_option("--model", index.model, "The embedding model");
  create
      ->add_option("--backend", index.backend, "Who keeps the vectors: hnsw (the default) or lance")
      ->check(CLI::IsMember({"hnsw", "lance"}));
  create->add_option("--refresh", index.refresh, "manual (the default), on_append or scheduled")
      ->check(CLI::IsMember({"manual", "on_append", "scheduled"}));
  create->add_option("--every", index.every_s, "Of scheduled: seconds");
  create->add_option("--chunk-size", index.chunk_size, "Characters of a chunk (1200)")
      ->check(CLI::Range(50, 100'000));
  for (CLI::App* action : {create, refresh}) {
    action->add_flag("--detach", index.detach, "Print the job's id and do not wait for it");
  }
}

void add_model(CLI::App& app, Targets& targets) {
  using Action = ModelOptions::Action;
  ModelOptions& model = targets.model;
  CLI::App* command =
      app.add_subcommand("model", "Models of this machine: list, fetch, add, remove");
  command->require_subcommand(1);
  const auto add = [&](std::string name, std::string what, Action action) {
    CLI::App* made = command->add_subcommand(std::move(name), std::move(what));
    made->callback([&model, action] { model.action = action; });
    made->add_option("-c,--config", model.serve.config, "Configuration file")->type_name("FILE");
    made->add_option("-d,--data", model.serve.data, "Folder that holds everything")
        ->type_name("DIR");
    made->add_flag("--json", model.json, "Print JSON");
    return made;
  };
  add("list", "The models there are, and those that can be fetched", Action::List);
  CLI::App* pull = add("pull", "Fetch a model by its name, and check its sum", Action::Pull);
  CLI::App* addition = add("add", "Add a model from a file or folder", Action::Add);
  CLI::App* remove = add("rm", "Remove a model that was fetched or added", Action::Remove);
  for (CLI::App* action : {pull, addition, remove}) {
    action->add_option("name", model.name, "What requests call it")->required()->type_name("NAME");
  }
  pull->add_option("--from", model.url, "Fetch it from there; needs --sha256")->type_name("URL");
  addition
      ->add_option("path", model.path,
                   "A GGUF file, or a folder with model.onnx and tokenizer.json")
      ->required()
      ->type_name("PATH");
  for (CLI::App* action : {pull, addition}) {
    action->add_option("--sha256", model.sha256, "What the file's bytes must be")->type_name("HEX");
  }
  addition->add_option("--kind", model.kind, "generation (the default), embedding or reranking")
      ->check(CLI::IsMember({"generation", "embedding", "reranking"}));
  addition->add_option("--pooling", model.pooling, "Of an embedding: mean (the default) or cls")
      ->check(CLI::IsMember({"mean", "cls"}));
  addition->add_option("--max-tokens", model.max_tokens, "Where longer texts are cut");
}

void add_trial_grid(CLI::App& run, TrialsOptions& trials) {
  const auto list = [&](const std::string& name, std::vector<std::int64_t>& values,
                        const std::string& what) {
    run.add_option(name, values, what)->delimiter(',')->type_name("N,N...");
  };
  list("--m", trials.m, "Links of a node (8,16,32)");
  list("--ef-construction", trials.ef_construction, "Width while building (100,200)");
  list("--ef-search", trials.ef_search, "Width while searching (32,64,128,256)");
  list("--seed", trials.seeds, "Seeds of the graph (1)");
  run.add_option("--quantization", trials.quantization, "Codes that are walked on (int8)")
      ->delimiter(',')
      ->check(CLI::IsMember({"int8", "none"}));
  run.add_option("-k", trials.k, "Neighbours that are searched (10)")->check(CLI::Range(1, 1000));
  run.add_flag("--detach", trials.detach, "Print the job's id and do not wait for it");
}

void add_trials(CLI::App& app, Targets& targets) {
  using Action = TrialsOptions::Action;
  TrialsOptions& trials = targets.trials;
  CLI::App* command = app.add_subcommand(
      "trials", "Try settings of an index on questions with known answers, and take the best");
  command->require_subcommand(1);
  const auto add = [&](std::string name, std::string what, Action action) {
    CLI::App* made = command->add_subcommand(std::move(name), std::move(what));
    made->callback([&trials, action] { trials.action = action; });
    add_server_option(*made, targets);
    made->add_flag("--json", trials.json, "Print the server's answers as JSON");
    return made;
  };
  CLI::App* run = add("run", "Try every combination of a grid", Action::Run);
  CLI::App* list = add("list", "All trials of an index, the latest first", Action::List);
  CLI::App* best = add("best", "The best of them", Action::Best);
  CLI::App* promote = add("promote", "Give the index the settings of a trial", Action::Promote);
  CLI::App* evals = add("evals", "The eval sets there are", Action::Evals);
  CLI::App* autogen = add("autogen", "Make one out of the index's own texts", Action::Autogen);
  CLI::App* from_log = add("from-log", "Make one of what was searched for", Action::FromLog);
  CLI::App* import = add("import", "Make one of a JSON file", Action::Import);
  CLI::App* drop = add("drop-eval", "Remove one", Action::DropEval);
  static_cast<void>(evals);
  for (CLI::App* action : {autogen, from_log, import, drop}) {
    action->add_option("name", trials.eval_set, "The eval set")->required();
  }
  for (CLI::App* action : {run, list, best, promote, autogen, from_log, import}) {
    action->add_option("index", trials.index, "The index")->required();
  }
  run->add_option("--eval", trials.eval_set, "The eval set")->required()->type_name("NAME");
  add_trial_grid(*run, trials);
  best->add_option("--metric", trials.metric, "recall (the default), latency or pareto")
      ->check(CLI::IsMember({"recall", "latency", "pareto"}));
  promote->add_option("--metric", trials.metric, "recall (the default) or latency")
      ->check(CLI::IsMember({"recall", "latency"}));
  promote->add_option("--trial", trials.trial_id, "This one")->type_name("ID");
  promote->add_flag("--detach", trials.detach, "Print the job's id and do not wait for it");
  for (CLI::App* action : {best, promote}) {
    action->add_option("--min-recall", trials.recall_min, "Of latency (0.95)")
        ->check(CLI::Range(0.0, 1.0));
    action->add_option("--eval", trials.eval_set, "With this eval set (the latest trial's)")
        ->type_name("NAME");
  }
  for (CLI::App* action : {autogen, from_log}) {
    action->add_option("--queries", trials.queries, "How many (200)")->check(CLI::Range(1, 10'000));
  }
  autogen->add_option("--seed", trials.seed, "Of the choice (1)");
  from_log->add_flag("--everybody", trials.everybody, "Not only one's own searches");
  import->add_option("file", trials.file, "A list of queries, or an object with queries")
      ->required()
      ->type_name("FILE");
}

void add_config(CLI::App& app, Targets& targets) {
  ConfigOptions& config = targets.config;
  CLI::App* command = app.add_subcommand("config", "Check, show or document the configuration");
  command->require_subcommand(1);
  CLI::App* check = command->add_subcommand("check", "Say whether the configuration is valid");
  check->callback([&] { config.action = ConfigOptions::Action::Check; });
  CLI::App* show = command->add_subcommand("show", "Every setting and where its value comes from");
  show->callback([&] { config.action = ConfigOptions::Action::Show; });
  CLI::App* docs = command->add_subcommand("docs", "Print docs/configuration.md");
  docs->callback([&] { config.action = ConfigOptions::Action::Docs; });
  for (CLI::App* action : {check, show}) {
    action->add_option("-c,--config", config.config, "Configuration file")->type_name("FILE");
  }
}

void add_keys(CLI::App& app, Targets& targets) {
  CLI::App* command = app.add_subcommand("keys", "Make keys for callers of a server with auth");
  command->require_subcommand(1);
  CLI::App* made = command->add_subcommand("new", "Print a new key, and what to keep of it");
  made->add_option("name", targets.keys.name, "Whose key")->required()->type_name("NAME");
}

void add_catalog(CLI::App& app, Targets& targets) {
  CLI::App* command = app.add_subcommand("catalog", "Repair the catalog without a server");
  command->require_subcommand(1);
  CLI::App* rebuild =
      command->add_subcommand("rebuild", "Remake lost pointers from what the buckets hold");
  RebuildOptions& options = targets.rebuild;
  rebuild->add_option("-c,--config", options.serve.config, "Configuration file")->type_name("FILE");
  rebuild->add_option("-d,--data", options.serve.data, "Folder that holds everything")
      ->type_name("DIR");
  rebuild->add_flag("--dry-run", options.dry_run, "Only say what would be done");
}

std::string variable_or(const char* name, std::string otherwise) {
  const char* variable = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return variable != nullptr && *variable != '\0' ? variable : std::move(otherwise);
}

Parsed usage_error(std::string text) {
  return {
      .options = std::nullopt, .text = "error: " + std::move(text) + "\n", .exit_code = kExitUsage};
}

Parsed finish_sql(Targets& targets) {
  SqlOptions& sql = targets.sql;
  sql.server = targets.server;
  if (!sql.statement.empty() && !sql.file.empty()) {
    return usage_error("give a statement or --file, not both");
  }
  if (!targets.format.empty()) {
    sql.format = output_format_from(targets.format).value_or(OutputFormat::Table);
    sql.format_given = true;
  }
  const bool binary = sql.format == OutputFormat::Parquet;
  if (binary && sql.output.empty()) {
    return usage_error("--format parquet needs --output FILE");
  }
  if (!sql.positional.empty() && !targets.named.empty()) {
    return usage_error("give parameters by --arg or by --param, not both");
  }
  for (const std::string& given : targets.named) {
    const std::size_t equals = given.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return usage_error(fmt::format("--param {}: write NAME=VALUE", given));
    }
    sql.named.emplace_back(given.substr(0, equals), given.substr(equals + 1));
  }
  return {.options = sql, .text = {}, .exit_code = kExitOk};
}

Parsed finish(CLI::App& app, Targets& targets) {
  if (app.got_subcommand("catalog")) {
    return {.options = targets.rebuild, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("serve")) {
    return {.options = targets.serve, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("ingest")) {
    targets.ingest.server = targets.server;
    const auto& files = targets.ingest.files;
    if (std::ranges::find(files, "-") != files.end() &&
        (files.size() > 1 || targets.ingest.dataset.empty())) {
      return usage_error("the standard input can be loaded alone only, and needs --dataset");
    }
    return {.options = targets.ingest, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("sql")) {
    return finish_sql(targets);
  }
  if (app.got_subcommand("datasets")) {
    targets.datasets.server = targets.server;
    return {.options = targets.datasets, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("queries")) {
    targets.queries.server = targets.server;
    return {.options = targets.queries, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("trials")) {
    targets.trials.server = targets.server;
    return {.options = targets.trials, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("jobs")) {
    targets.jobs.server = targets.server;
    return {.options = targets.jobs, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("ask")) {
    targets.ask.server = targets.server;
    return {.options = targets.ask, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("rag")) {
    targets.rag.server = targets.server;
    return {.options = targets.rag, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("search")) {
    targets.search.server = targets.server;
    return {.options = targets.search, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("index")) {
    targets.index.server = targets.server;
    return {.options = targets.index, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("model")) {
    return {.options = targets.model, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("config")) {
    return {.options = targets.config, .text = {}, .exit_code = kExitOk};
  }
  if (app.got_subcommand("keys")) {
    return {.options = targets.keys, .text = {}, .exit_code = kExitOk};
  }
  return {.options = VersionOptions{}, .text = {}, .exit_code = kExitOk};
}

}  // namespace

std::optional<OutputFormat> output_format_from(const std::string& name) {
  for (const auto& [known, format] : kFormats) {
    if (known == name) {
      return format;
    }
  }
  return std::nullopt;
}

Parsed parse_arguments(std::vector<std::string> arguments) {
  // The engine's arguments are written by the server and read by the engine.
  if (!arguments.empty() && arguments.front() == "engine") {
    arguments.erase(arguments.begin());
    return {.options = EngineOptions{.arguments = std::move(arguments)},
            .text = {},
            .exit_code = kExitOk};
  }
  if (!arguments.empty() && arguments.front() == "model-process") {
    arguments.erase(arguments.begin());
    return {.options = ModelProcessOptions{.arguments = std::move(arguments)},
            .text = {},
            .exit_code = kExitOk};
  }
  if (!arguments.empty() && !arguments.front().starts_with('-')) {
    static const std::vector<std::string> commands = {
        "serve", "ingest", "sql",   "datasets", "queries", "jobs", "trials",  "search",
        "ask",   "rag",    "index", "model",    "config",  "keys", "catalog", "version"};
    if (std::ranges::find(commands, arguments.front()) == commands.end()) {
      const std::string hint = did_you_mean(arguments.front(), commands);
      return usage_error(fmt::format("there is no command '{}'\nhint: {}", arguments.front(),
                                     hint.empty() ? "lakehouse --help lists them." : hint));
    }
  }
  Targets targets;
  CLI::App app("A company's data in open tables, and the answers to its questions.", "lakehouse");
  app.require_subcommand(1);
  app.set_version_flag("--version", LAKEHOUSE_VERSION);
  app.footer("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server, 4 done in part.");
  add_serve(app, targets);
  add_ingest(app, targets);
  add_sql(app, targets);
  add_datasets(app, targets);
  add_queries(app, targets);
  add_jobs(app, targets);
  add_trials(app, targets);
  add_search(app, targets);
  add_ask(app, targets);
  add_rag(app, targets);
  add_index(app, targets);
  add_model(app, targets);
  add_config(app, targets);
  add_keys(app, targets);
  add_catalog(app, targets);
  app.add_subcommand("version", "Print the version");
  std::ranges::reverse(arguments);  // As CLI11 wants them.
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    const int code = app.exit(error, out, out);
    return {.options = std::nullopt,
            .text = std::move(out).str(),
            .exit_code = code == 0 ? kExitOk : kExitUsage};
  }
  if (targets.server.url.empty()) {
    targets.server.url = variable_or("LAKEHOUSE_SERVER", "http://127.0.0.1:3100");
  }
  if (targets.server.token.empty()) {
    targets.server.token = variable_or("LAKEHOUSE_TOKEN", "");
  }
  return finish(app, targets);
}

}  // namespace lakehouse::cli
