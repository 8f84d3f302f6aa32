//go:build tools

// Package tools pins what the toolchain builds: the Pulumi command, and the SDK whose scripts it needs beside it.
package tools

import (
	_ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
)
