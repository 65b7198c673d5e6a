# What each alarm means, and what to do: docs/operations.md, under the alarm's name.
locals {
  of_balancer = { LoadBalancer = var.balancer.load_balancer }
  of_servers  = { LoadBalancer = var.balancer.load_balancer, TargetGroup = var.balancer.target_group }
  of_stream   = { FunctionName = try(var.stream.function, "") }
  of_failures = { QueueName = try(var.stream.queue, "") }
  of_index    = { TableName = var.tables.records, GlobalSecondaryIndexName = var.event_index }

  # Series by their names in the expression: namespace, metric, statistic, dimensions.
  requests           = ["AWS/ApplicationELB", "RequestCount", "Sum", local.of_balancer]
  errors_of_servers  = ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", local.of_balancer]
  errors_of_balancer = ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "Sum", local.of_balancer]

  alarms_of_stream = {
    stream-behind = {
      series     = { milliseconds = ["AWS/Lambda", "IteratorAge", "Maximum", local.of_stream] }
      expression = "milliseconds / 60000"
      label      = "Minutes since the oldest write that the stream's Lambda has yet to take in"
      above      = 5
      period     = 60
      periods    = 5
      datapoints = 5
    }
    stream-failures = {
      series     = { messages = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", local.of_failures] }
      expression = "messages"
      label      = "Parts of the stream that were not taken in"
      above      = 0
      period     = 300
      periods    = 1
      datapoints = 1
    }
    unmapped-records = {
      series     = { lines = [var.name_prefix, "UnmappedRecords", "Sum", {}] }
      expression = "lines"
      label      = "Records that cannot be brought into the event index"
      above      = 0
      period     = 3600
      periods    = 1
      datapoints = 1
    }
  }

  alarms = merge({
    server-errors = {
      series     = { requests = local.requests, servers = local.errors_of_servers, balancer = local.errors_of_balancer }
      expression = "IF(requests > 20, 100 * (FILL(servers, 0) + FILL(balancer, 0)) / requests, 0)"
      label      = "Percent of answers that are errors"
      above      = 2
      period     = 60
      periods    = 5
      datapoints = 3
    }
    slow-answers = {
      series     = { seconds = ["AWS/ApplicationELB", "TargetResponseTime", "p95", local.of_balancer] }
      expression = "seconds"
      label      = "Seconds within which 95 of 100 requests are answered"
      above      = var.latency_seconds
      period     = 300
      periods    = 3
      datapoints = 3
    }
    no-server = {
      series     = { healthy = ["AWS/ApplicationELB", "HealthyHostCount", "Minimum", local.of_servers] }
      expression = "IF(healthy < 1, 1, 0)"
      label      = "1 while there is no healthy server"
      above      = 0
      period     = 60
      periods    = 2
      datapoints = 2
      missing    = "breaching"
    }
    unhealthy-server = {
      series     = { unhealthy = ["AWS/ApplicationELB", "UnHealthyHostCount", "Maximum", local.of_servers] }
      expression = "unhealthy"
      label      = "Servers that do not answer"
      above      = 0
      period     = 60
      periods    = 10
      datapoints = 10
    }
    index-throttled = {
      series     = { writes = ["AWS/DynamoDB", "WriteThrottleEvents", "Sum", local.of_index] }
      expression = "writes"
      label      = "Writes of the event index that were throttled"
      above      = 0
      period     = 60
      periods    = 5
      datapoints = 3
    }
    rekognition-throttled = {
      series = {
        throttled_detect  = ["AWS/Rekognition", "ThrottledCount", "Sum", { Operation = "DetectFaces" }]
        throttled_compare = ["AWS/Rekognition", "ThrottledCount", "Sum", { Operation = "CompareFaces" }]
        detect            = ["AWS/Rekognition", "SuccessfulRequestCount", "Sum", { Operation = "DetectFaces" }]
        compare           = ["AWS/Rekognition", "SuccessfulRequestCount", "Sum", { Operation = "CompareFaces" }]
      }
      expression = "100 * (FILL(throttled_detect, 0) + FILL(throttled_compare, 0)) / (FILL(throttled_detect, 0) + FILL(throttled_compare, 0) + FILL(detect, 0) + FILL(compare, 0) + 1)"
      label      = "Percent of calls that were throttled"
      above      = 10
      period     = 300
      periods    = 3
      datapoints = 3
    }
    rekognition-errors = {
      series = {
        detect  = ["AWS/Rekognition", "ServerErrorCount", "Sum", { Operation = "DetectFaces" }]
        compare = ["AWS/Rekognition", "ServerErrorCount", "Sum", { Operation = "CompareFaces" }]
      }
      expression = "FILL(detect, 0) + FILL(compare, 0)"
      label      = "Errors of the face engine"
      above      = 10
      period     = 300
      periods    = 2
      datapoints = 2
    }
    unfinished-erasures = {
      series     = { lines = [var.name_prefix, "UnfinishedErasures", "Sum", {}] }
      expression = "lines"
      label      = "Erasures that could not be continued"
      above      = 0
      period     = 900
      periods    = 4
      datapoints = 4
    }
    audit-failures = {
      series     = { lines = [var.name_prefix, "AuditFailures", "Sum", {}] }
      expression = "lines"
      label      = "Audit entries that could not be written"
      above      = 0
      period     = 300
      periods    = 2
      datapoints = 2
    }
    records-never-expire = {
      series     = { lines = [var.name_prefix, "NeverExpire", "Sum", {}] }
      expression = "lines"
      label      = "Counts that found records without a working expiry"
      above      = 0
      period     = 3600
      periods    = 1
      datapoints = 1
    }
    event-alert = {
      series     = { lines = [var.name_prefix, "EventAlerts", "Sum", {}] }
      expression = "lines"
      label      = "Alerts about events"
      above      = 0
      period     = 300
      periods    = 1
      datapoints = 1
    }
    }, {
    for table, name in var.tables : "table-throttled-${table}" => {
      series = {
        reads  = ["AWS/DynamoDB", "ReadThrottleEvents", "Sum", { TableName = name }]
        writes = ["AWS/DynamoDB", "WriteThrottleEvents", "Sum", { TableName = name }]
      }
      expression = "FILL(reads, 0) + FILL(writes, 0)"
      label      = "Reads and writes that were throttled"
      above      = 10
      period     = 60
      periods    = 5
      datapoints = 3
    }
    }, {
    for table, name in var.tables : "table-errors-${table}" => {
      series = {
        for operation in ["DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"] :
        lower(operation) => ["AWS/DynamoDB", "SystemErrors", "Sum", { TableName = name, Operation = operation }]
      }
      expression = "SUM(METRICS())"
      label      = "Errors of DynamoDB itself"
      above      = 5
      period     = 300
      periods    = 2
      datapoints = 2
    }
    }, {
    for name, alarm in local.alarms_of_stream : name => alarm if var.stream != null
    }, var.expect_deletions ? {
    no-expiry = {
      series     = { deleted = ["AWS/DynamoDB", "TimeToLiveDeletedItemCount", "Sum", { TableName = var.tables.records }] }
      expression = "IF(deleted > 0, 0, 1)"
      label      = "1 on a day on which no record expired"
      above      = 0
      period     = 86400
      periods    = 3
      datapoints = 3
      missing    = "breaching"
    }
  } : {})
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name_prefix}-${each.key}"
  alarm_description   = "${each.value.label}: above ${each.value.above}. docs/operations.md says what to do."
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.datapoints
  treat_missing_data  = lookup(each.value, "missing", "notBreaching")
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "result"
    label       = each.value.label
    expression  = each.value.expression
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.series

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value[0]
        metric_name = metric_query.value[1]
        stat        = metric_query.value[2]
        dimensions  = metric_query.value[3]
        period      = each.value.period
      }
    }
  }
}
