# Everything: a network of its own, the account's key, maxima, backups, servers, alarms and a dashboard.
module "data" {
  source = "../../modules/data"

  region          = var.region
  bucket_name     = var.bucket_name
  customer_key    = true
  max_read_units  = 12000
  max_write_units = 4000
  backup_days     = 35
}

# `make lambda` makes the package first.
module "stream" {
  source = "../../modules/stream"

  package       = var.stream_package
  stream_arn    = module.data.stream_arn
  data_settings = module.data.settings
  policy_arn    = module.data.policies.stream
  kms_key_arn   = module.data.kms_key_arn
}

module "service" {
  source = "../../modules/service"

  region                  = var.region
  vpc_id                  = aws_vpc.this.id
  public_subnet_ids       = aws_subnet.public[*].id
  private_subnet_ids      = aws_subnet.private[*].id
  private_route_table_ids = [aws_route_table.private.id]
  allowed_cidr_blocks     = var.allowed_cidr_blocks
  domain_name             = var.domain_name
  certificate_arn         = aws_acm_certificate_validation.this.certificate_arn
  image_tag               = var.image_tag
  data_settings           = merge(module.data.settings, module.stream.settings)
  settings                = var.settings
  task_policy_arn         = module.data.policies.dashboard
  kms_key_arn             = module.data.kms_key_arn
}

module "alarms" {
  source = "../../modules/alarms"

  region      = var.region
  emails      = var.emails
  tables      = module.data.tables
  event_index = module.data.event_index
  balancer    = module.service.balancer
  service     = module.service.service
  log_group   = module.service.log_group
  stream      = module.stream.stream
}
