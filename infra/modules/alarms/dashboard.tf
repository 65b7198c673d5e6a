locals {
  # Three in a row: title, and series as the dashboard writes them.
  charts = concat(local.charts_of_all, [for chart in local.charts_of_stream : chart if var.stream != null])

  charts_of_stream = [
    ["Stream, minutes behind, and parts that failed", [
      ["AWS/Lambda", "IteratorAge", "FunctionName", local.of_stream.FunctionName, { stat = "Maximum", id = "age", visible = false }],
      [{ expression = "age / 60000", label = "Minutes behind" }],
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.of_failures.QueueName, { stat = "Maximum" }],
    ]],
    ["Stream, calls of the Lambda", [
      ["AWS/Lambda", "Invocations", "FunctionName", local.of_stream.FunctionName, { stat = "Sum" }],
      [".", "Errors", ".", ".", { stat = "Sum" }],
    ]],
    ["Records that cannot be repaired", [
      [var.name_prefix, "UnmappedRecords", { stat = "Sum" }],
    ]],
  ]

  charts_of_all = [
    ["Requests and errors", [
      ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.balancer.load_balancer, { stat = "Sum" }],
      [".", "HTTPCode_Target_5XX_Count", ".", ".", { stat = "Sum" }],
      [".", "HTTPCode_ELB_5XX_Count", ".", ".", { stat = "Sum" }],
    ]],
    ["Time of answers, seconds", [
      ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.balancer.load_balancer, { stat = "p50" }],
      ["...", { stat = "p95" }],
    ]],
    ["Open connections", [
      ["AWS/ApplicationELB", "ActiveConnectionCount", "LoadBalancer", var.balancer.load_balancer, { stat = "Sum" }],
    ]],
    ["Servers", [
      ["AWS/ApplicationELB", "HealthyHostCount", "TargetGroup", var.balancer.target_group, "LoadBalancer", var.balancer.load_balancer, { stat = "Minimum" }],
      [".", "UnHealthyHostCount", ".", ".", ".", ".", { stat = "Maximum" }],
    ]],
    ["CPU and memory of servers, %", [
      ["AWS/ECS", "CPUUtilization", "ClusterName", var.service.cluster, "ServiceName", var.service.service, { stat = "Average" }],
      [".", "MemoryUtilization", ".", ".", ".", ".", { stat = "Maximum" }],
    ]],
    ["Failed operations and audit entries", [
      [var.name_prefix, "Failures", { stat = "Sum" }],
      [".", "AuditFailures", { stat = "Sum" }],
    ]],
    ["Rekognition, calls", [
      ["AWS/Rekognition", "SuccessfulRequestCount", "Operation", "DetectFaces", { stat = "Sum" }],
      ["...", "CompareFaces", { stat = "Sum" }],
      [".", "ThrottledCount", ".", "DetectFaces", { stat = "Sum" }],
      ["...", "CompareFaces", { stat = "Sum" }],
    ]],
    ["Tables, write units", concat(
      [for name in values(var.tables) : ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", name, { stat = "Sum" }]],
      [["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", var.tables.records, "GlobalSecondaryIndexName", var.event_index, { stat = "Sum" }]],
    )],
    ["Tables, read units", concat(
      [for name in values(var.tables) : ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", name, { stat = "Sum" }]],
      [["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", var.tables.records, "GlobalSecondaryIndexName", var.event_index, { stat = "Sum" }]],
    )],
    ["Throttled", concat(
      [for name in values(var.tables) : ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", name, { stat = "Sum" }]],
      [for name in values(var.tables) : ["AWS/DynamoDB", "ReadThrottleEvents", "TableName", name, { stat = "Sum" }]],
      [["AWS/DynamoDB", "WriteThrottleEvents", "TableName", var.tables.records, "GlobalSecondaryIndexName", var.event_index, { stat = "Sum" }]],
    )],
    ["Expired records", [
      ["AWS/DynamoDB", "TimeToLiveDeletedItemCount", "TableName", var.tables.records, { stat = "Sum" }],
    ]],
    ["Unfinished erasures, alerts about events", [
      [var.name_prefix, "UnfinishedErasures", { stat = "Sum" }],
      [".", "EventAlerts", { stat = "Sum" }],
    ]],
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name_prefix
  dashboard_body = jsonencode({
    widgets = concat([
      {
        type       = "alarm"
        x          = 0
        y          = 0
        width      = 24
        height     = 3
        properties = { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }
      }
      ], [
      for number, chart in local.charts : {
        type   = "metric"
        x      = number % 3 * 8
        y      = 3 + floor(number / 3) * 6
        width  = 8
        height = 6
        properties = {
          title   = chart[0]
          metrics = chart[1]
          region  = var.region
          view    = "timeSeries"
          period  = 300
        }
      }
    ])
  })
}
