"""The policy pack: the engine starts it before it makes anything, and asks it about every resource."""

from pulumi_policy import EnforcementLevel, PolicyPack

from pack import brisk
from rules import POLICIES

brisk.ask_by_type()
# What a stack is spared is in its file under stacks/; a stack without one is held to everything.
PolicyPack("modelserve", POLICIES, enforcement_level=EnforcementLevel.MANDATORY)
