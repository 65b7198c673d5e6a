terraform {
  required_version = "~> 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The last release before 6.29 gave indexes another syntax for their keys, which several releases then got
      # wrong: plans that never came to rest, errors about indexes that were right.
      version = "6.28.0"
    }
  }
}

provider "aws" {
  region = var.region
}
