//go:build tools

// Package tools pins what the toolchain builds: Prometheus and the tool that checks its rules.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
