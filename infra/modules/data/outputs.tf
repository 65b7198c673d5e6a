output "settings" {
  description = "Facedesk's environment, as far as this module knows it; MongoDB's settings come beside it."
  value = {
    FACEDESK_BACKEND               = "aws"
    AWS_REGION                     = var.region
    DYNAMODB_FACE_VALIDATION_TABLE = aws_dynamodb_table.records.name
    DYNAMODB_AUDIT_TABLE           = aws_dynamodb_table.audit.name
    DYNAMODB_STATE_TABLE           = aws_dynamodb_table.state.name
    FACE_IMAGES_BUCKET             = aws_s3_bucket.photos.bucket
    RECORD_TTL_DAYS                = var.record_ttl_days
  }
}

output "policies" {
  description = "ARN of each role's policy, to attach to the role."
  value = {
    dashboard   = aws_iam_policy.dashboard.arn
    provisioner = aws_iam_policy.provisioner.arn
    analyst     = aws_iam_policy.analyst.arn
    stream      = aws_iam_policy.stream.arn
  }
}

output "tables" {
  description = "Names of the tables, by what is in them."
  value = {
    records = aws_dynamodb_table.records.name
    audit   = aws_dynamodb_table.audit.name
    state   = aws_dynamodb_table.state.name
  }
}

output "stream_arn" {
  description = "ARN of the stream of the table of records."
  value       = aws_dynamodb_table.records.stream_arn
}

output "event_index" {
  description = "Name of the index by which an event's records are read."
  value       = one(aws_dynamodb_table.records.global_secondary_index[*].name)
}

output "kms_key_arn" {
  description = "ARN of the account's key; null where there is none."
  value       = one(aws_kms_key.data[*].arn)
}
