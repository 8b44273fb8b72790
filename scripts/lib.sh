# What the scripts share. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Installs packages of a Debian or Ubuntu machine; fails where that is not possible.
install_packages() {
  command -v apt-get >/dev/null || return 1
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  echo "installing $*" >&2
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "$@" >/dev/null
}

# Installs what building needs and a bare machine lacks. Elsewhere it says what is missing.
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

# Installs a sound server that plays to nowhere, for the tests of live playback. Without one they are skipped, loudly.
install_sound_server() {
  if command -v pulseaudio >/dev/null && command -v parec >/dev/null &&
    find /usr/lib -name 'libasound_module_pcm_pulse.so' 2>/dev/null | grep -q .; then
    return
  fi
  install_packages pulseaudio pulseaudio-utils libasound2-plugins ||
    echo "warning: no sound server can be installed: live playback is not tested" >&2
}
