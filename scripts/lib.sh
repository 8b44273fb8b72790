# What the scripts share. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Installs what building needs and a bare Debian or Ubuntu machine lacks. Elsewhere it says what is missing.
install_missing() {
  local missing=()
  command -v cc >/dev/null || missing+=(build-essential)
  command -v pkg-config >/dev/null || missing+=(pkg-config)
  if command -v pkg-config >/dev/null && pkg-config --exists alsa; then :; else missing+=(libasound2-dev); fi
  if [ ${#missing[@]} -gt 0 ]; then
    if command -v apt-get >/dev/null; then
      local as_root=()
      [ "$(id -u)" = 0 ] || as_root=(sudo)
      echo "installing ${missing[*]}" >&2
      "${as_root[@]}" apt-get update -qq
      DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
    else
      echo "please install: a C compiler, pkg-config and the ALSA headers (${missing[*]} on Debian)" >&2
      exit 1
    fi
  fi
  if ! command -v cargo >/dev/null; then
    echo "please install Rust 1.95 or newer: https://rustup.rs" >&2
    exit 1
  fi
}
