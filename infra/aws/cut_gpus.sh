#!/usr/bin/env bash
# Cuts every GPU of the machine into the same MIG slices, at each boot and before the kubelet starts. Slices never outlive
# a reboot, and the mode that they need does so on an A100 alone (MIG User Guide, "Deployment Considerations").
#
# usage: cut-gpus PROFILE,PROFILE,...  one for each slice of a GPU, for example 3g.40gb,3g.40gb
set -o errexit -o nounset -o pipefail

layout=$1
profile=${layout%%,*}
IFS=, read -ra slices <<<"$layout"
rebooted=$STATE_DIRECTORY/rebooted

modes() {
  nvidia-smi --query-gpu=mig.mode.current --format=csv,noheader
}

made() {
  nvidia-smi -L | grep --fixed-strings --count "MIG $profile " || true
}

now=$(modes)
if grep --quiet --invert-match --line-regexp Enabled <<<"$now"; then
  # A change that has to wait is a warning to it; what counts is the mode afterwards.
  nvidia-smi -mig 1 || true
  now=$(modes)
fi
if grep --quiet --invert-match --line-regexp Enabled <<<"$now"; then
  if [[ -e $rebooted ]]; then
    echo "GPUs are not in MIG mode although the machine was rebooted for it: ${now//$'\n'/, }" >&2
    exit 1
  fi
  echo "Rebooting: an A100 that the machine may not reset takes MIG mode up only so"
  touch "$rebooted"
  systemctl reboot
  exit 1 # the kubelet must not start in between
fi
rm --force "$rebooted"

wanted=$(($(wc --lines <<<"$now") * ${#slices[@]}))
if [[ $(made) -ne $wanted ]]; then
  nvidia-smi mig -cgi "$layout" -C
fi
if [[ $(made) -ne $wanted ]]; then
  echo "There are $(made) slices of $profile where $wanted were to be" >&2
  exit 1
fi
