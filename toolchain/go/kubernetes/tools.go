//go:build tools

// Package tools pins what the toolchain builds: the API server that the cluster tests talk to, and kubectl.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
