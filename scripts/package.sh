#!/usr/bin/env bash
# usage: package.sh [BUILD_FOLDER]
# Makes dist/lakehouse-VERSION-linux-ARCH.tar.gz, a folder that runs wherever it is unpacked, and
# dist/lakehouse_VERSION_ARCH.deb; then tries both in another place. ./run package calls it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's/^project(lakehouse VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
arch=$(dpkg --print-architecture)
name=lakehouse-$version-linux-$arch
build=${1:-build/release}
parts=third_party/parts
dist=$PWD/dist
work=$(mktemp -d)
server=
clean_up() {
  if [[ -n $server ]]; then kill "$server" 2> /dev/null || true; fi
  rm -rf "$work"
}
trap clean_up EXIT

stop() {
  printf 'package: %s\n' "$*" >&2
  exit 1
}

# What every Debian 12 has, and what must fit the machine's own: never carried along.
is_base() {
  case $1 in
    linux-vdso.so.* | ld-linux* | libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | \
      libresolv.so.* | libstdc++.so.* | libgcc_s.so.*) return 0 ;;
    *) return 1 ;;
  esac
}

# Our own parts among libraries' names: they are staged beside the program.
ours='lib(duckdb|arrow|llama|ggml|openvino|tbb)'

# The files of the shared libraries that our binaries need, directly or not, one a line.
needed_libraries() {
  ldd "$build/lakehouse" "$build/lakehouse_engine.so" "$build/lakehouse_model.so" |
    awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | sort -u |
    while read -r soname path; do
      is_base "$soname" || echo "$path"
    done | sort -u
}

# The sonames of Debian's that our binaries name, one a line.
named_libraries() {
  readelf -d "$build/lakehouse" "$build/lakehouse_engine.so" "$build/lakehouse_model.so" |
    sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u | grep -v -E "$ours"
}

# The Debian package that a library's file belongs to; nothing for our own parts.
package_of() {
  local path candidate
  path=$(readlink -f "$1")
  for candidate in "$path" "${path#/usr}" "/usr$path"; do
    dpkg-query -S "$candidate" 2> /dev/null | head -n 1 | cut -d: -f1 && return
  done
}

# stage_program FOLDER_FOR_BINARY FOLDER_FOR_LIBRARIES PATH_FROM_BINARY_TO_LIBRARIES
stage_program() {
  local bin=$1 lib=$2 path=$3 extension
  mkdir -p "$bin" "$lib/extensions"
  strip --strip-debug -o "$bin/lakehouse" "$build/lakehouse"
  strip --strip-debug -o "$lib/lakehouse_engine.so" "$build/lakehouse_engine.so"
  install -m 644 "$parts/duckdb/lib/libduckdb.so" "$parts/arrow/lib/libarrow.so.2600" "$lib/"
  # Debug information is of no use without DuckDB's and Arrow's sources.
  strip --strip-debug "$lib/libduckdb.so" "$lib/libarrow.so.2600"
  for extension in "$parts"/duckdb/extensions/*.duckdb_extension; do
    [[ $extension == */tpc*.duckdb_extension ]] && continue  # For tests only.
    install -m 644 "$extension" "$lib/extensions/"  # Signed: not to be changed by a byte.
  done
  # What runs models, and the model that comes along.
  strip --strip-debug -o "$lib/lakehouse_model.so" "$build/lakehouse_model.so"
  install -m 644 "$parts"/llama/lib/*.so "$parts"/openvino/lib/*.so* "$lib/"
  mkdir -p "$lib/models/minilm"
  install -m 644 "$parts"/models/minilm/{model.onnx,tokenizer.json} "$lib/models/minilm/"
  chmod 755 "$bin/lakehouse"
  patchelf --set-rpath "\$ORIGIN/$path" "$bin/lakehouse"
  # shellcheck disable=SC2016  # The loader expands $ORIGIN, not we.
  patchelf --set-rpath '$ORIGIN' "$lib/lakehouse_engine.so" "$lib/lakehouse_model.so"
}

stage_licences() {
  local folder=$1
  mkdir -p "$folder"
  cp LICENSE "$folder/lakehouse.txt"
  cp "$parts/duckdb/LICENSE" "$folder/duckdb.txt"
  cp "$parts/arrow/LICENSE.txt" "$folder/arrow.txt"
  cp "$parts/llama/LICENSE" "$folder/llama.cpp.txt"
  cp "$parts/llama/LICENSE.node-llama-cpp" "$folder/node-llama-cpp.txt"
  cp "$parts/openvino/LICENSE" "$folder/openvino.txt"
  cp -r "$parts/openvino/licensing" "$folder/openvino"
  # The Apache licence, version 2.0, as OpenVINO's.
  cp "$parts/openvino/LICENSE" "$folder/minilm.txt"
}

# Same inputs, same bytes.
stamp=$(git log -1 --format=%ct 2> /dev/null || date +%s)
export SOURCE_DATE_EPOCH=$stamp

make_tar() {
  local folder=$work/tar/$name library package
  stage_program "$folder/bin" "$folder/lib" ../lib
  mv "$folder/lib/extensions" "$folder/extensions"
  stage_licences "$folder/licences"
  cp README.md LICENSE CHANGELOG.md "$folder/"
  needed_libraries | grep -v -E "/$ours" | while read -r library; do
    install -m 644 "$(readlink -f "$library")" "$folder/lib/$(basename "$library")"
    # shellcheck disable=SC2016
    patchelf --set-rpath '$ORIGIN' "$folder/lib/$(basename "$library")"
    package=$(package_of "$library")
    if [[ -n $package && -f /usr/share/doc/$package/copyright ]]; then
      cp "/usr/share/doc/$package/copyright" "$folder/licences/$package.txt"
    fi
  done
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$stamp" -C "$work/tar" -c "$name" |
    gzip -n > "$dist/$name.tar.gz"
}

make_deb() {
  local folder=$work/deb library depends
  stage_program "$folder/usr/bin" "$folder/usr/lib/lakehouse" ../lib/lakehouse
  stage_licences "$folder/usr/share/doc/lakehouse"
  cp README.md CHANGELOG.md "$folder/usr/share/doc/lakehouse/"
  mv "$folder/usr/share/doc/lakehouse/lakehouse.txt" "$folder/usr/share/doc/lakehouse/copyright"
  # What our binaries name themselves; the rest is those packages' own affair.
  depends=$(needed_libraries | grep -F -f <(named_libraries) |
    while read -r library; do package_of "$library"; done | sort -u | paste -sd, | sed 's/,/, /g')
  mkdir -p "$folder/DEBIAN"
  cat > "$folder/DEBIAN/control" << END
Package: lakehouse
Version: $version
Architecture: $arch
Maintainer: The lakehouse developers <lakehouse@lakehouse.example>
Installed-Size: $(du -sk "$folder/usr" | cut -f1)
Depends: libc6 (>= 2.36), libstdc++6 (>= 12), $depends
Section: database
Priority: optional
Description: a company's data in open tables, and the answers to its questions
 Keeps data as Apache Iceberg tables, is their REST catalog, takes in CSV, JSON and Parquet
 files and answers SQL over HTTP.
END
  find "$folder" -exec touch -hd "@$stamp" {} +
  dpkg-deb --root-owner-group -Zzstd --build "$folder" "$dist/lakehouse_${version}_$arch.deb" > /dev/null
}

# try_out FOLDER BINARY: runs it with an empty environment, serves, loads a file and asks.
try_out() {
  local folder=$1 binary=$2 url answer
  [[ $(env -i "$binary" version) == "lakehouse $version" ]] || stop "$binary does not start"
  mkdir -p "$folder/try"
  printf 'id,name\n1,Ann\n2,Bo\n' > "$folder/try/people.csv"
  (cd "$folder/try" && exec env -i PATH=/usr/bin:/bin HOME="$folder/try" \
    "$binary" serve --data "$folder/try/data" --listen 127.0.0.1:0 > ready.txt 2> log.txt) &
  server=$!
  local _
  for _ in {1..200}; do
    grep -q '^lakehouse ready ' "$folder/try/ready.txt" 2> /dev/null && break
    sleep 0.1
  done
  url=$(sed -n 's/^lakehouse ready //p' "$folder/try/ready.txt")
  [[ -n $url ]] || stop "the packaged server does not come up: $(tail -n 5 "$folder/try/log.txt")"
  env -i "$binary" ingest --server "$url" "$folder/try/people.csv" > /dev/null
  answer=$(env -i "$binary" sql --server "$url" --format csv 'SELECT count(*) AS n, max(name) AS m FROM people' | tr -d '\r')
  [[ $answer == $'n,m\n2,Bo' ]] || stop "the packaged server answers '$answer'"
  answer=$(curl -sf "$url/ai/embed" -H 'Content-Type: application/json' -d '{"texts":["one"]}' || true)
  [[ -n $answer ]] || stop "the packaged server embeds nothing: $(tail -n 5 "$folder/try/log.txt")"
  kill "$server"
  wait "$server" || stop "the packaged server does not end well"
  server=
}

rm -rf "$dist"
mkdir -p "$dist"
make_tar
make_deb
mkdir -p "$work/elsewhere/tar" "$work/elsewhere/deb"
tar -xzf "$dist/$name.tar.gz" -C "$work/elsewhere/tar"
try_out "$work/elsewhere/tar" "$work/elsewhere/tar/$name/bin/lakehouse"
dpkg-deb -x "$dist/lakehouse_${version}_$arch.deb" "$work/elsewhere/deb"
try_out "$work/elsewhere/deb" "$work/elsewhere/deb/usr/bin/lakehouse"
echo "tried out in another place:"
(cd "$dist" && sha256sum -- * > SHA256SUMS && ls -sh1 -- *)
