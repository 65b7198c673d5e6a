variable "name_prefix" {
  description = "Start of the names of all that this module makes; a second installation in the account needs one of its own."
  type        = string
  default     = "facedesk"
}

variable "package" {
  description = "Path of build/stream.zip, which `make lambda` makes."
  type        = string
}

variable "stream_arn" {
  description = "The output stream_arn of the module data."
  type        = string
}

variable "data_settings" {
  description = "The output settings of the module data."
  type        = map(string)
}

variable "policy_arn" {
  description = "ARN of the policy of the Lambda: policies.stream of the module data."
  type        = string
}

variable "kms_key_arn" {
  description = "The account's key for the log; null: keys that AWS owns."
  type        = string
  default     = null
}

variable "cpu_architecture" {
  description = "What the package was made for: X86_64, or ARM64 with `make lambda LAMBDA_CPU=aarch64`."
  type        = string
  default     = "X86_64"
}

variable "log_retention_days" {
  description = "Days that the Lambda's log is kept."
  type        = number
  default     = 90
}
