"""ResNet50 on ImageNet: what the classifier serves where its published weights can be had."""

NAME, VERSION = "resnet50", "1.0.0"

REPOSITORY, WEIGHTS = "timm/resnet50.tv_in1k", "model.safetensors"
"""Where the hub has torchvision's first weights (IMAGENET1K_V1), with torchvision's names."""
