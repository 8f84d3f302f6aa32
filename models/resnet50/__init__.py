"""ResNet50 on ImageNet: what the classifier serves where its published weights can be had."""

from models.hub import Published

NAME, VERSION = "resnet50", "1.0.0"

PUBLISHED = Published(
    NAME,
    VERSION,
    "timm/resnet50.tv_in1k",
    files=("model.safetensors",),
    instead="the classifier serves efficientnet_lite0",
)
"""Torchvision's first weights (IMAGENET1K_V1), with torchvision's names."""
