"""What AWS alone knows of what it has made, as far as components read it."""

from typing import Any

OUTPUTS: dict[str, dict[str, Any]] = {
    "aws:eks/cluster:Cluster": {
        "endpoint": "https://eks.example",
        "certificateAuthority": {"data": "Q0E="},
        "identities": [{"oidcs": [{"issuer": "https://oidc.example/id/1"}]}],
        "vpcConfig": {"clusterSecurityGroupId": "sg-cluster"},
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
    "aws:eks/nodeGroup:NodeGroup": {"resources": [{"autoscalingGroups": [{"name": "asg"}]}]},
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": {"url": "oidc.example/id/1"},
    "aws:rds/instance:Instance": {
        "address": "db.example",
        "port": 5432,
        "masterUserSecrets": [{"secretArn": "arn:master"}],
    },
    "aws:ecr/repository:Repository": {"repositoryUrl": "registry.example/app"},
    "aws:lb/loadBalancer:LoadBalancer": {"dnsName": "alb.example", "zoneId": "Z-ALB"},
    "random:index/randomPassword:RandomPassword": {"result": "generated"},
    "random:index/randomId:RandomId": {"hex": "beef"},
}
