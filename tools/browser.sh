#!/usr/bin/env bash
# Installs what the browser check of the reports needs (tests/unit/report/test_browser.py): Chromium from
# the system and axe-core. Both are optional: without them the check is skipped, and says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { printf '[browser] %s\n' "$*"; }
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "installing Chromium with apt"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
  else
    say "this machine lacks Chromium; run:  sudo apt-get install -y chromium"
    exit 1
  fi
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
  --target .cache/browser -r requirements/browser.txt
say "ready; now:  .venv/bin/python -m pytest tests/unit/report/test_browser.py"
