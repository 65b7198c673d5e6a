resource "aws_appautoscaling_target" "servers" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.server.name}"
  min_capacity       = var.min_servers
  max_capacity       = var.max_servers
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "${var.name_prefix}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.servers.service_namespace
  scalable_dimension = aws_appautoscaling_target.servers.scalable_dimension
  resource_id        = aws_appautoscaling_target.servers.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.cpu_target
    scale_out_cooldown = 60
    scale_in_cooldown  = 600

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

# Pages are websockets, which requests do not count: what is open follows the number of people.
resource "aws_appautoscaling_policy" "connections" {
  name               = "${var.name_prefix}-connections"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.servers.service_namespace
  scalable_dimension = aws_appautoscaling_target.servers.scalable_dimension
  resource_id        = aws_appautoscaling_target.servers.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.connections_target
    scale_out_cooldown = 60
    scale_in_cooldown  = 600

    customized_metric_specification {
      metrics {
        id          = "connections"
        return_data = false

        metric_stat {
          stat = "Sum"

          metric {
            namespace   = "AWS/ApplicationELB"
            metric_name = "ActiveConnectionCount"

            dimensions {
              name  = "LoadBalancer"
              value = aws_lb.this.arn_suffix
            }
          }
        }
      }

      metrics {
        id          = "servers"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = "AWS/ApplicationELB"
            metric_name = "HealthyHostCount"

            dimensions {
              name  = "LoadBalancer"
              value = aws_lb.this.arn_suffix
            }

            dimensions {
              name  = "TargetGroup"
              value = aws_lb_target_group.servers.arn_suffix
            }
          }
        }
      }

      metrics {
        id          = "each"
        label       = "Connections for each server"
        expression  = "connections / servers"
        return_data = true
      }
    }
  }
}
