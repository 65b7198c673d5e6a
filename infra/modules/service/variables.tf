variable "region" {
  description = "AWS region of the service."
  type        = string
}

variable "name_prefix" {
  description = "Start of the names of all that the service needs; a second installation in the account needs one of its own."
  type        = string
  default     = "facedesk"
}

variable "vpc_id" {
  description = "The VPC in which the service runs."
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the load balancer, in two availability zones or more."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "Subnets of the servers, in two availability zones or more. From them MongoDB and the provider of OpenID Connect must be reachable."
  type        = list(string)
}

variable "private_route_table_ids" {
  description = "Route tables of the private subnets, which learn the ways to DynamoDB and S3."
  type        = list(string)
}

variable "interface_endpoints" {
  description = "Whether the VPC gets endpoints of the other services that are called, so that no photo leaves it; set it to false where it has them."
  type        = bool
  default     = true
}

variable "allowed_cidr_blocks" {
  description = "Addresses from which people and systems reach the load balancer."
  type        = list(string)
}

variable "domain_name" {
  description = "The name under which people reach Facedesk, such as desk.example.com."
  type        = string
}

variable "certificate_arn" {
  description = "ARN of the certificate of that name in AWS Certificate Manager, in this region."
  type        = string
}

variable "image_tag" {
  description = "Tag of the image in the repository that this module makes. A tag never changes there: push each version under its own."
  type        = string
}

variable "data_settings" {
  description = "The output settings of the module data."
  type        = map(string)
}

variable "settings" {
  description = "More settings by their names, such as OIDC_METADATA_URL, OIDC_CLIENT_ID, OIDC_ROLES, MONGODB_DATABASE. Never a secret."
  type        = map(string)
}

variable "task_policy_arn" {
  description = "ARN of the policy of the server: policies.dashboard of the module data."
  type        = string
}

variable "kms_key_arn" {
  description = "The account's key for the logs and the secret; null: keys that AWS owns."
  type        = string
  default     = null
}

variable "cpu" {
  description = "CPU units of a server; 1024 are one core. A page of an event takes 150 ms of one."
  type        = number
  default     = 2048
}

variable "memory" {
  description = "Memory of a server, MiB."
  type        = number
  default     = 4096
}

variable "cpu_architecture" {
  description = "What the image was built for: X86_64 or ARM64."
  type        = string
  default     = "X86_64"
}

variable "min_servers" {
  description = "The fewest servers that run; two, so that one may fail."
  type        = number
  default     = 2
}

variable "max_servers" {
  description = "The most servers that run."
  type        = number
  default     = 6
}

variable "cpu_target" {
  description = "Percent of its CPU that a server uses on average before there is another one."
  type        = number
  default     = 60
}

variable "connections_target" {
  description = "Connections of the load balancer for each server before there is another one. An open page has two to four, on both of its sides together."
  type        = number
  default     = 200
}

variable "log_retention_days" {
  description = "Days that the operations log is kept."
  type        = number
  default     = 90
}
