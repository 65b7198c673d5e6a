output "repository_url" {
  description = "Where the image is pushed to, before its tag."
  value       = aws_ecr_repository.server.repository_url
}

output "secret_arn" {
  description = "ARN of the secret whose value is to be set by hand."
  value       = aws_secretsmanager_secret.settings.arn
}

output "address" {
  description = "The load balancer's name, to which the domain's name points (an alias or CNAME)."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "The load balancer's zone, for an alias in Route 53."
  value       = aws_lb.this.zone_id
}

output "balancer" {
  description = "What CloudWatch calls the load balancer and its group of servers."
  value = {
    load_balancer = aws_lb.this.arn_suffix
    target_group  = aws_lb_target_group.servers.arn_suffix
  }
}

output "service" {
  description = "Names of the ECS cluster and the service."
  value = {
    cluster = aws_ecs_cluster.this.name
    service = aws_ecs_service.server.name
  }
}

output "log_group" {
  description = "Name of the log group of the operations log."
  value       = aws_cloudwatch_log_group.operations.name
}

output "servers_security_group_id" {
  description = "Security group of the servers, to let into MongoDB."
  value       = aws_security_group.servers.id
}
