"""Envoy's configuration for the gateway, rendered from serving apps and their traffic policies: no file, no clock.

What the words of the policy mean here is what they mean on a cluster; where a choice was made, its reason is in the
docstring of the module that makes it. The files and how they are swapped are the business of `infra.local`.
"""
