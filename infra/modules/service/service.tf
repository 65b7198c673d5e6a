resource "aws_cloudwatch_log_group" "operations" {
  name              = "/${var.name_prefix}/operations"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

data "aws_vpc" "this" {
  id = var.vpc_id
}

locals {
  port = 8501

  # All servers of this module can read shards.
  environment = merge({ EVENT_INDEX_SHARDS = "8" }, var.data_settings, var.settings, {
    FACEDESK_AUTH                  = "oidc"
    OIDC_REDIRECT_URI              = "https://${var.domain_name}/oauth2callback"
    STREAMLIT_SERVER_ADDRESS       = "0.0.0.0"
    STREAMLIT_SERVER_ALLOWED_HOSTS = var.domain_name
    # The load balancer, of whose addresses none is known beforehand: nobody else reaches a server.
    FORWARDED_ALLOW_IPS = join(",", data.aws_vpc.this.cidr_block_associations[*].cidr_block)
  })
}

resource "aws_ecs_cluster" "this" {
  name = var.name_prefix

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "server" {
  family                   = var.name_prefix
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  # The two folders that a server writes to end with it; what must last is in DynamoDB and S3.
  volume {
    name = "data"
  }

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([{
    name                   = "server"
    image                  = "${aws_ecr_repository.server.repository_url}:${var.image_tag}"
    essential              = true
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    # Open answers get five seconds; then ECS may kill it.
    stopTimeout     = 30
    linuxParameters = { initProcessEnabled = true }
    portMappings    = [{ containerPort = local.port, protocol = "tcp" }]
    mountPoints = [
      { sourceVolume = "data", containerPath = "/data", readOnly = false },
      { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
    ]
    environment = [for name, value in local.environment : { name = name, value = value }]
    secrets = [
      for name in local.secret_settings : { name = name, valueFrom = "${aws_secretsmanager_secret.settings.arn}:${name}::" }
    ]
    healthCheck = {
      command     = ["CMD", "python", "-m", "dashboard.probe"]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 60
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.operations.name
        awslogs-region        = var.region
        awslogs-stream-prefix = "server"
      }
    }
  }])
}

resource "aws_ecs_service" "server" {
  name            = "server"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.server.arn
  launch_type     = "FARGATE"
  desired_count   = var.min_servers
  propagate_tags  = "SERVICE"

  # An upgrade: the new servers come first, and if they do not become healthy, the old ones stay.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 90

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.private_subnet_ids
    security_groups = [aws_security_group.servers.id]
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.servers.arn
    container_name   = "server"
    container_port   = local.port
  }

  # The number of servers follows the load.
  lifecycle {
    ignore_changes = [desired_count]
  }

  depends_on = [aws_lb_listener.https, aws_iam_role_policy.execution]
}
