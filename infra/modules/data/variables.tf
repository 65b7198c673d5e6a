variable "region" {
  description = "AWS region of the table, the bucket and the face engine."
  type        = string
  default     = "ap-south-1"
}

variable "table_name" {
  description = "DynamoDB table of the validation records."
  type        = string
  default     = "face-verifications"
}

variable "audit_table_name" {
  description = "DynamoDB table of the audit trail: the setting DYNAMODB_AUDIT_TABLE."
  type        = string
  default     = "facedesk-audit"
}

variable "state_table_name" {
  description = "DynamoDB table of Facedesk's own state: the setting DYNAMODB_STATE_TABLE."
  type        = string
  default     = "facedesk-state"
}

variable "bucket_name" {
  description = "S3 bucket of the photos; bucket names are unique in the world."
  type        = string
}

variable "name_prefix" {
  description = "Start of the IAM policies' names; a second installation in the account needs one of its own."
  type        = string
  default     = "facedesk"
}

variable "record_ttl_days" {
  description = "Days that a record, and the photo that was submitted for it, are kept: the setting RECORD_TTL_DAYS."
  type        = number
  default     = 30

  validation {
    condition     = var.record_ttl_days >= 1 && var.record_ttl_days <= 3650 && floor(var.record_ttl_days) == var.record_ttl_days
    error_message = "A whole number of days from 1 to 3650, as RECORD_TTL_DAYS."
  }
}

variable "find_duplicates" {
  description = "Whether the server may search events for people who registered twice, which keeps biometric data of them in Rekognition."
  type        = bool
  default     = false
}

variable "customer_key" {
  description = "Whether tables and photos are encrypted with a KMS key of this account, instead of keys that AWS owns."
  type        = bool
  default     = false
}

variable "max_read_units" {
  description = "Read units a second that a table, and its index, take at most; null: as many as the account may."
  type        = number
  default     = null
}

variable "max_write_units" {
  description = "Write units a second that a table, and its index, take at most; null: as many as the account may."
  type        = number
  default     = null
}

variable "backup_days" {
  description = "Days that AWS Backup keeps a backup of each night of the tables, beside the 35 days of point-in-time recovery; 0: none. People who are erased stay in backups for as long."
  type        = number
  default     = 0

  validation {
    condition     = var.backup_days >= 0 && floor(var.backup_days) == var.backup_days
    error_message = "A whole number of days, 0 or more."
  }
}
