# Beside point-in-time recovery: a backup of each night in a vault of its own, which outlives a table that was deleted.
resource "aws_backup_vault" "tables" {
  count = var.backup_days > 0 ? 1 : 0

  name        = var.name_prefix
  kms_key_arn = one(aws_kms_key.data[*].arn)
}

resource "aws_backup_plan" "tables" {
  count = var.backup_days > 0 ? 1 : 0

  name = var.name_prefix

  rule {
    rule_name         = "nightly"
    target_vault_name = aws_backup_vault.tables[0].name
    schedule          = "cron(0 20 * * ? *)"

    lifecycle {
      delete_after = var.backup_days
    }
  }
}

resource "aws_backup_selection" "tables" {
  count = var.backup_days > 0 ? 1 : 0

  name         = "tables"
  plan_id      = aws_backup_plan.tables[0].id
  iam_role_arn = aws_iam_role.backup[0].arn
  resources    = [aws_dynamodb_table.records.arn, aws_dynamodb_table.audit.arn, aws_dynamodb_table.state.arn]
}

resource "aws_iam_role" "backup" {
  count = var.backup_days > 0 ? 1 : 0

  name               = "${var.name_prefix}-backup"
  assume_role_policy = data.aws_iam_policy_document.backup_assumes.json
}

resource "aws_iam_role_policy_attachment" "backup" {
  for_each = var.backup_days > 0 ? toset(["Backup", "Restores"]) : []

  role       = aws_iam_role.backup[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyFor${each.value}"
}

data "aws_iam_policy_document" "backup_assumes" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["backup.amazonaws.com"]
    }
  }
}
