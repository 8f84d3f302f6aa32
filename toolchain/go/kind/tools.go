//go:build tools

// Package tools pins what the toolchain builds: Kind, which runs Kubernetes in containers.
package tools

import (
	_ "sigs.k8s.io/kind"
)
