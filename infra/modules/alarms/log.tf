locals {
  # What CloudWatch has no metric of: lines of the operations log, counted. docs/operations.md has their fields.
  lines = {
    UnfinishedErasures = "{ ($.operation = \"erasures.resume\") && ($.outcome != \"ok\") }"
    NeverExpire        = "{ $.operation = \"alert.records-never-expire\" }"
    EventAlerts        = "{ ($.operation = \"alert.*\") && ($.operation != \"alert.records-never-expire\") }"
    Failures           = "{ ($.outcome = \"Unavailable\") || ($.outcome = \"Throttled\") || ($.outcome = \"Refused\") || ($.outcome = \"NotConfigured\") }"
    AuditFailures      = "{ ($.operation = \"audit.append\") && ($.outcome != \"ok\") }"
  }
}

resource "aws_cloudwatch_log_metric_filter" "lines" {
  for_each = local.lines

  name           = "${var.name_prefix}-${each.key}"
  log_group_name = var.log_group
  pattern        = each.value

  metric_transformation {
    namespace     = var.name_prefix
    name          = each.key
    value         = "1"
    default_value = "0"
  }
}
