# What production needs of AWS beside the servers: tables, bucket, policies. examples/ has the servers, too.
module "data" {
  source = "./modules/data"

  region           = var.region
  table_name       = var.table_name
  audit_table_name = var.audit_table_name
  state_table_name = var.state_table_name
  bucket_name      = var.bucket_name
  name_prefix      = var.name_prefix
  record_ttl_days  = var.record_ttl_days
  find_duplicates  = var.find_duplicates
  customer_key     = var.customer_key
  max_read_units   = var.max_read_units
  max_write_units  = var.max_write_units
  backup_days      = var.backup_days
}

# Installations from before there were modules keep what they have.
moved {
  from = aws_dynamodb_table.records
  to   = module.data.aws_dynamodb_table.records
}

moved {
  from = aws_dynamodb_table.audit
  to   = module.data.aws_dynamodb_table.audit
}

moved {
  from = aws_dynamodb_table.state
  to   = module.data.aws_dynamodb_table.state
}

moved {
  from = aws_iam_policy.dashboard
  to   = module.data.aws_iam_policy.dashboard
}

moved {
  from = aws_iam_policy.provisioner
  to   = module.data.aws_iam_policy.provisioner
}

moved {
  from = aws_iam_policy.analyst
  to   = module.data.aws_iam_policy.analyst
}

moved {
  from = aws_s3_bucket.photos
  to   = module.data.aws_s3_bucket.photos
}

moved {
  from = aws_s3_bucket_public_access_block.photos
  to   = module.data.aws_s3_bucket_public_access_block.photos
}

moved {
  from = aws_s3_bucket_ownership_controls.photos
  to   = module.data.aws_s3_bucket_ownership_controls.photos
}

moved {
  from = aws_s3_bucket_server_side_encryption_configuration.photos
  to   = module.data.aws_s3_bucket_server_side_encryption_configuration.photos
}

moved {
  from = aws_s3_bucket_lifecycle_configuration.photos
  to   = module.data.aws_s3_bucket_lifecycle_configuration.photos
}

moved {
  from = aws_s3_bucket_policy.photos
  to   = module.data.aws_s3_bucket_policy.photos
}
