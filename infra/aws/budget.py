"""What the platform may cost a month, and who hears of it when it costs more than that or than usual."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import budgets, costexplorer, sns

from infra.aws.policy import Statement, document

ANNOUNCERS = ("budgets.amazonaws.com", "costalerts.amazonaws.com", "cloudwatch.amazonaws.com")


@dataclass(frozen=True)
class BudgetArgs:
    """What a budget needs from its surroundings.

    Attributes:
        account_id: the account whose budgets and alarms may announce here.
        monthly_usd: what a month may cost, in US dollars.
        tag: key and value of the cost allocation tag that everything of the stack carries. It counts once the account
            that pays has activated the key (Billing, "Cost allocation tags").
        emails: who hears of it; each gets a message to confirm first.
        kms_key_arn: encrypts the announcements.
        anomaly_usd: a rise above the usual is announced from this many US dollars on.
    """

    account_id: str
    monthly_usd: int
    tag: tuple[str, str]
    emails: tuple[str, ...]
    kms_key_arn: pulumi.Input[str]
    anomaly_usd: int = 50

    def __post_init__(self) -> None:
        if self.monthly_usd <= 0:
            raise ValueError(f"monthly_usd is {self.monthly_usd}; give what a month may cost")
        if not self.emails:
            raise ValueError("emails is empty: nobody would hear of an overspent budget")


class Budget(pulumi.ComponentResource):
    """A monthly budget and a watch for unusual costs."""

    topic_arn: pulumi.Output[str]
    """Where budgets and alarms are announced."""

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Budget", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        topic = sns.Topic(name, kms_master_key_id=args.kms_key_arn, opts=child)
        announce = Statement(
            ["sns:Publish"],
            [topic.arn],
            {"Service": ANNOUNCERS},
            {"StringEquals": {"aws:SourceAccount": args.account_id}},
        )
        policy = sns.TopicPolicy(name, arn=topic.arn, policy=document(announce), opts=child)
        for i, email in enumerate(args.emails):
            sns.TopicSubscription(f"{name}-{i}", topic=topic.arn, protocol="email", endpoint=email, opts=child)
        # AWS tries to publish when it is told to.
        allowed = pulumi.ResourceOptions(parent=self, depends_on=[policy])

        key, value = args.tag
        budgets.Budget(
            name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(args.monthly_usd),
            limit_unit="USD",
            cost_filters=[budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:{key}${value}"])],
            notifications=[
                budgets.BudgetNotificationArgs(
                    notification_type=kind,
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                    comparison_operator="GREATER_THAN",
                    subscriber_sns_topic_arns=[topic.arn],
                )
                for kind, percent in (("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
            ],
            opts=allowed,
        )
        monitor = costexplorer.AnomalyMonitor(
            name,
            # By tag: of monitors by service an account has only one.
            monitor_type="CUSTOM",
            monitor_specification=json.dumps({"Tags": {"Key": key, "Values": [value]}}),
            opts=child,
        )
        costexplorer.AnomalySubscription(
            name,
            frequency="IMMEDIATE",
            monitor_arn_lists=[monitor.arn],
            subscribers=[costexplorer.AnomalySubscriptionSubscriberArgs(type="SNS", address=topic.arn)],
            threshold_expression=costexplorer.AnomalySubscriptionThresholdExpressionArgs(
                dimension=costexplorer.AnomalySubscriptionThresholdExpressionDimensionArgs(
                    key="ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    match_options=["GREATER_THAN_OR_EQUAL"],
                    values=[str(args.anomaly_usd)],
                )
            ),
            opts=allowed,
        )

        self.topic_arn = topic.arn
        self.register_outputs({"topic_arn": self.topic_arn})
