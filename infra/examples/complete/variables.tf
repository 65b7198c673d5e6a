variable "region" {
  description = "AWS region of everything."
  type        = string
  default     = "ap-south-1"
}

variable "bucket_name" {
  description = "S3 bucket of the photos; bucket names are unique in the world."
  type        = string
}

variable "domain_name" {
  description = "The name under which people reach Facedesk."
  type        = string
}

variable "zone_id" {
  description = "The zone of that name in Route 53."
  type        = string
}

variable "image_tag" {
  description = "Tag of the image."
  type        = string
}

variable "stream_package" {
  description = "Path of build/stream.zip, which `make lambda` makes."
  type        = string
  default     = "../../../build/stream.zip"
}

variable "allowed_cidr_blocks" {
  description = "Addresses from which people and systems reach Facedesk."
  type        = list(string)
}

variable "emails" {
  description = "Addresses that are told of alarms."
  type        = list(string)
}

variable "settings" {
  description = "Settings beside those that the modules know: MONGODB_DATABASE, OIDC_METADATA_URL, OIDC_CLIENT_ID, OIDC_ROLES, ..."
  type        = map(string)
}
