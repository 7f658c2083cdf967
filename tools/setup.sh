#!/usr/bin/env bash
# Prepares this checkout: Debian packages that are missing, .venv with everything of pyproject.toml, an Asterisk.
# Each step is passed over when it is done already. Root, or sudo once, is needed only for Debian packages.
set -euo pipefail
cd "$(dirname "$0")/.."

export PIP_DISABLE_PIP_VERSION_CHECK=1
started=$SECONDS
step() { printf '==> [%3ds] %s\n' $((SECONDS - started)) "$*"; }
fail() { printf 'error: %s\n  what to do: %s\n' "$1" "$2" >&2; exit 1; }

# install PACKAGE... : those that are missing, with one visible apt run; apt's lists are renewed only when they must be
install() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || fail "This is not Debian or Ubuntu." "Install these yourself: ${missing[*]}."
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "Missing packages: ${missing[*]}; they need root or sudo." \
      "As root, once: apt-get install --no-install-recommends ${missing[*]}"
    root=(sudo)
  fi
  step "Debian packages: ${missing[*]}"
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0)
  if apt-cache show "${missing[@]}" >/dev/null 2>&1; then
    "${apt[@]}" install -qy --no-install-recommends "${missing[@]}" && return
  fi
  step "Renewing apt's package lists"
  "${apt[@]}" update -q
  "${apt[@]}" install -qy --no-install-recommends "${missing[@]}" ||
    fail "apt-get could not install ${missing[*]}." "Read its lines above; check the network and the apt sources."
}

# the first Python >= 3.11 that can make a virtual environment; 3.11 is the one that is tested
find_python() {
  local candidate
  for candidate in python3.11 python3 python3.12 python3.13; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python=$(command -v "$candidate")
      "$candidate" -c 'import ensurepip, venv' 2>/dev/null && return 0
    fi
  done
  [ -n "${python:-}" ] || install python3
  install python3-venv
  python=${python:-$(command -v python3)}
  "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "No Python 3.11 or newer with its venv module was found." "Install python3.11 and python3.11-venv."
}

browser=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
  browser=(chromium)
install "${browser[@]}" espeak-ng

# .venv is made anew when pyproject.toml changes, when the checkout moves, and when its Python is gone
stamp=.venv/.prepared
wanted="$(sha256sum pyproject.toml | cut -d' ' -f1) $PWD"
if [ ! -x .venv/bin/python ] || [ ! -f $stamp ] || [ "$(cat $stamp)" != "$wanted" ] || ! .venv/bin/python -c '' 2>/dev/null; then
  find_python
  step "Python packages into .venv ($("$python" --version))"
  if [ -f $stamp ] && [ "$(cut -d' ' -f2- $stamp)" = "$PWD" ] && .venv/bin/python -c '' 2>/dev/null; then
    rm -f $stamp # only pyproject.toml changed: what is installed is kept
  else
    rm -rf .venv
    "$python" -m venv .venv
  fi
  .venv/bin/python -m pip install --editable '.[dev]' ||
    fail "pip could not install the Python packages." "Read its lines above; check the network and pip's index."
  echo "$wanted" >$stamp
fi

# Asterisk of the settings, of PATH, or of the cache; else one is built into the cache, outside this tree
if ! .venv/bin/python -m backoffice_core.parts.asterisk_root --check; then
  .venv/bin/python -m backoffice_core.parts.asterisk_root --packaged || install mmdebstrap gpg mount
  step "Asterisk's root file system into the cache (once; about a minute, 340 MB)"
  .venv/bin/python -m backoffice_core.parts.asterisk_root
fi
step "Ready: .venv/bin/backoffice --help"
