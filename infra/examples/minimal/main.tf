# Tables, bucket, policies and servers, in a VPC that is there: two servers behind a load balancer.
terraform {
  required_version = "~> 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # As in infra/versions.tf, which says why.
      version = "6.28.0"
    }
  }
}

locals {
  region = "ap-south-1"
}

provider "aws" {
  region = local.region
}

module "data" {
  source = "../../modules/data"

  region      = local.region
  bucket_name = "example-event-faces"
}

module "service" {
  source = "../../modules/service"

  region                  = local.region
  vpc_id                  = "vpc-0123456789abcdef0"
  public_subnet_ids       = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  private_subnet_ids      = ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"]
  private_route_table_ids = ["rtb-0123456789abcdef0"]
  allowed_cidr_blocks     = ["192.0.2.0/24"]
  domain_name             = "desk.example.com"
  certificate_arn         = "arn:aws:acm:ap-south-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  image_tag               = "0.2.0"
  data_settings           = module.data.settings
  task_policy_arn         = module.data.policies.dashboard

  settings = {
    MONGODB_DATABASE  = "events"
    OIDC_METADATA_URL = "https://id.example.com/.well-known/openid-configuration"
    OIDC_CLIENT_ID    = "facedesk"
  }
}

output "repository_url" {
  value = module.service.repository_url
}

output "secret_arn" {
  value = module.service.secret_arn
}

output "address" {
  value = module.service.address
}
