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

provider "aws" {
  region = var.region

  default_tags {
    tags = { Application = "facedesk" }
  }
}
