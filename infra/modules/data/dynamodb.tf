locals {
  # One element where a maximum is set.
  has_maxima = var.max_read_units == null && var.max_write_units == null ? [] : [true]
}

# The same tables as `python -m core provision` makes, but for their key and their maxima, which variables ask for.
# DynamoDB encrypts every table: with a key that AWS owns where there is none of the account.
resource "aws_dynamodb_table" "records" {
  name                        = var.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "userId"
  range_key                   = "registrationId"
  deletion_protection_enabled = true

  # Followed by infra/modules/stream, if that is used; it costs nothing otherwise.
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"

  attribute {
    name = "userId"
    type = "S"
  }

  attribute {
    name = "registrationId"
    type = "S"
  }

  attribute {
    name = "eventId"
    type = "S"
  }

  attribute {
    name = "timestamp"
    type = "S"
  }

  # What lists and charts of an event show; never the attempts, which are most of a record's size.
  global_secondary_index {
    name            = "eventId-timestamp-index"
    hash_key        = "eventId"
    range_key       = "timestamp"
    projection_type = "INCLUDE"
    non_key_attributes = [
      "validationStatus",
      "confidence",
      "quality",
      "faceImageKey",
      "storedFaceKey",
      "comparisonResult",
      "attributes",
      "verificationAttempt",
      "updatedAt",
      "expiresAt",
      "metadata",
      "failureReasons",
      "review",
    ]

    dynamic "on_demand_throughput" {
      for_each = local.has_maxima

      content {
        max_read_request_units  = var.max_read_units
        max_write_request_units = var.max_write_units
      }
    }
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  dynamic "server_side_encryption" {
    for_each = aws_kms_key.data

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value.arn
    }
  }

  dynamic "on_demand_throughput" {
    for_each = local.has_maxima

    content {
      max_read_request_units  = var.max_read_units
      max_write_request_units = var.max_write_units
    }
  }
}

# The audit trail, also as `python -m core provision` makes it. No TTL: entries do not go by themselves.
resource "aws_dynamodb_table" "audit" {
  name                        = var.audit_table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "day"
  range_key                   = "place"
  deletion_protection_enabled = true

  attribute {
    name = "day"
    type = "S"
  }

  attribute {
    name = "place"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  dynamic "server_side_encryption" {
    for_each = aws_kms_key.data

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value.arn
    }
  }

  dynamic "on_demand_throughput" {
    for_each = local.has_maxima

    content {
      max_read_request_units  = var.max_read_units
      max_write_request_units = var.max_write_units
    }
  }
}

# Facedesk's own state: who has which case, the notes on cases, second looks. Also as `python -m core provision` makes it.
resource "aws_dynamodb_table" "state" {
  name                        = var.state_table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "part"
  range_key                   = "place"
  deletion_protection_enabled = true

  attribute {
    name = "part"
    type = "S"
  }

  attribute {
    name = "place"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  dynamic "server_side_encryption" {
    for_each = aws_kms_key.data

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value.arn
    }
  }

  dynamic "on_demand_throughput" {
    for_each = local.has_maxima

    content {
      max_read_request_units  = var.max_read_units
      max_write_request_units = var.max_write_units
    }
  }
}
