# The same table as `python -m core provision` makes. DynamoDB encrypts every table; this one with the key that AWS owns.
resource "aws_dynamodb_table" "records" {
  name                        = var.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "userId"
  range_key                   = "registrationId"
  deletion_protection_enabled = true

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
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
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
}
