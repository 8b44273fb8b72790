# Functions that several scripts use. Source this file; do not run it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Prints cargo's target directory: CARGO_TARGET_DIR, build.target-dir of a cargo configuration, or $root/target.
target_dir() {
  (cd "$root" && cargo metadata --format-version 1 --no-deps) | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# Sets `target` to cargo's target directory and `ensuite` to the program in it. Builds the program only if it is
# missing, because an existing one may have been built with CUDA.
find_ensuite() {
  target=$(target_dir)
  ensuite=$target/release/ensuite
  [ -x "$ensuite" ] || (cd "$root" && cargo build --release --locked --quiet --bin ensuite)
}

# Installs packages on Debian or Ubuntu; fails on other systems.
install_packages() {
  command -v apt-get >/dev/null || return 1
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  echo "installing $*" >&2
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "$@" >/dev/null
}

# Installs the packages that a build needs. Where it cannot install them, it lists what is missing and exits.
install_missing() {
  local missing=()
  command -v cc >/dev/null || missing+=(build-essential)
  command -v pkg-config >/dev/null || missing+=(pkg-config)
  if command -v pkg-config >/dev/null && pkg-config --exists alsa; then :; else missing+=(libasound2-dev); fi
  if [ ${#missing[@]} -gt 0 ] && ! install_packages "${missing[@]}"; then
    echo "please install: a C compiler, pkg-config and the ALSA headers (${missing[*]} on Debian)" >&2
    exit 1
  fi
  if ! command -v cargo >/dev/null; then
    echo "please install Rust 1.95 or newer: https://rustup.rs" >&2
    exit 1
  fi
}

# Installs a sound server for the tests of live playback. Without one, prints a warning, and those tests are skipped.
install_sound_server() {
  if command -v pulseaudio >/dev/null && command -v parec >/dev/null &&
    find /usr/lib -name 'libasound_module_pcm_pulse.so' 2>/dev/null | grep -q .; then
    return
  fi
  install_packages pulseaudio pulseaudio-utils libasound2-plugins ||
    echo "warning: cannot install a sound server: live playback is not tested" >&2
}
