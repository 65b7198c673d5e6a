locals {
  # The settings that are secrets, each a key of the one secret.
  secret_settings = ["COOKIE_SECRET", "HASH_KEY", "MONGODB_URI", "OIDC_CLIENT_SECRET"]
}

# Its value is set by hand (docs/aws.md), so that it is in no state of Terraform.
resource "aws_secretsmanager_secret" "settings" {
  name        = "${var.name_prefix}/settings"
  description = "Facedesk's secret settings, as JSON: ${join(", ", local.secret_settings)}."
  kms_key_id  = var.kms_key_arn
}
