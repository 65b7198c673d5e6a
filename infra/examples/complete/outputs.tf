output "repository_url" {
  description = "Where the image is pushed to."
  value       = module.service.repository_url
}

output "secret_arn" {
  description = "ARN of the secret whose value is to be set by hand."
  value       = module.service.secret_arn
}

output "dashboard" {
  description = "Name of the dashboard in CloudWatch."
  value       = module.alarms.dashboard
}
