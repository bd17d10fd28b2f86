package main

import "github.com/spf13/cobra"

func newTop(o *operator) *cobra.Command { return &cobra.Command{Use: "top"} }
