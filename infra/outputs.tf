output "settings" {
  description = "Facedesk's environment, as far as this module knows it; MongoDB's settings come beside it."
  value       = module.data.settings
}

output "policies" {
  description = "ARN of each role's policy, to attach to the role."
  value       = module.data.policies
}
