variable "region" {
  description = "AWS region of what is watched."
  type        = string
}

variable "name_prefix" {
  description = "Start of the names of the alarms, the topic and the dashboard, and the namespace of the metrics from the log."
  type        = string
  default     = "facedesk"
}

variable "emails" {
  description = "Addresses that are told of alarms; each must confirm once. Other receivers subscribe to the topic."
  type        = list(string)
  default     = []
}

variable "tables" {
  description = "The output tables of the module data."
  type        = object({ records = string, audit = string, state = string })
}

variable "event_index" {
  description = "The output event_index of the module data."
  type        = string
}

variable "balancer" {
  description = "The output balancer of the module service."
  type        = object({ load_balancer = string, target_group = string })
}

variable "service" {
  description = "The output service of the module service."
  type        = object({ cluster = string, service = string })
}

variable "log_group" {
  description = "The output log_group of the module service."
  type        = string
}

variable "stream" {
  description = "The output stream of the module stream; null where that is not used."
  type        = object({ function = string, queue = string })
  default     = null
}

variable "latency_seconds" {
  description = "Time within which 95 of 100 requests are to be answered."
  type        = number
  default     = 3
}

variable "expect_deletions" {
  description = "Whether records must expire every day. Set it to false for the first RECORD_TTL_DAYS, and for seasons without events."
  type        = bool
  default     = true
}
