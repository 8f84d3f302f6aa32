"""Versions of what AWS runs for us, each under the line that Renovate reads.

Add-on versions belong to one Kubernetes minor: move them together, and check them with
``aws eks describe-addon-versions --kubernetes-version 1.35 --addon-name <name>``.
"""

# KServe, Knative and Istio of this platform are tested up to 1.35; its standard support ends on 2027-03-27.
# renovate: datasource=endoflife-date depName=amazon-eks versioning=loose
EKS = "1.35"

# renovate: datasource=aws-eks-addon depName=vpc-cni
VPC_CNI = "v1.23.0-eksbuild.1"
# renovate: datasource=aws-eks-addon depName=kube-proxy
KUBE_PROXY = "v1.35.3-eksbuild.18"
# renovate: datasource=aws-eks-addon depName=coredns
COREDNS = "v1.14.3-eksbuild.3"
# renovate: datasource=aws-eks-addon depName=aws-ebs-csi-driver
EBS_CSI = "v1.63.1-eksbuild.1"
# renovate: datasource=aws-eks-addon depName=metrics-server
METRICS_SERVER = "v0.9.0-eksbuild.5"

# AMI families, not releases: EKS takes the newest release for its own minor. AL2 ended in November 2025.
AMI = "AL2023_x86_64_STANDARD"
AMI_GPU = "AL2023_x86_64_NVIDIA"

# The major alone: RDS picks the minor and patches it in its maintenance window.
# renovate: datasource=endoflife-date depName=amazon-rds-postgresql versioning=loose
POSTGRES = "17"

# The last Redis that ElastiCache offers under that name; what follows there is Valkey.
REDIS = "7.1"

# AWS names its runtimes itself, some months after Python's releases; no data source follows them.
LAMBDA_PYTHON = "python3.13"
