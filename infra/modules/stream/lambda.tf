locals {
  # AWS_REGION is set by Lambda itself.
  settings = ["DYNAMODB_FACE_VALIDATION_TABLE", "DYNAMODB_STATE_TABLE", "RECORD_TTL_DAYS"]
}

resource "aws_cloudwatch_log_group" "stream" {
  name              = "/${var.name_prefix}/stream"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_function" "stream" {
  function_name    = "${var.name_prefix}-stream"
  description      = "Brings what other services write into Facedesk's event index, and makes it expire."
  role             = aws_iam_role.stream.arn
  runtime          = "python3.12"
  architectures    = [lower(var.cpu_architecture)]
  handler          = "handler.handle"
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  memory_size      = 512
  timeout          = 120

  environment {
    variables = { for name in local.settings : name => var.data_settings[name] }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.stream.name
  }

  depends_on = [aws_iam_role_policy.stream, aws_iam_role_policy_attachment.stream]
}

# What could not be taken in within half a day: where it was in the stream, and nothing of its content.
resource "aws_sqs_queue" "failures" {
  name                      = "${var.name_prefix}-stream-failures"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_event_source_mapping" "records" {
  function_name           = aws_lambda_function.stream.arn
  event_source_arn        = var.stream_arn
  starting_position       = "TRIM_HORIZON"
  batch_size              = 100
  function_response_types = ["ReportBatchItemFailures"]

  # A second in which records gather; a record is in the index about as late.
  maximum_batching_window_in_seconds = 1

  # The stream keeps a day. A record that stops the others by a fault of its own is singled out.
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = 50
  maximum_record_age_in_seconds  = 43200

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.failures.arn
    }
  }

  # All that is written: no pattern tells milliseconds from seconds, or which photos lie in no upload folder. Of what is
  # deleted, what may be in the list of records that could not be repaired. Never the journal of erasures.
  filter_criteria {
    dynamic "filter" {
      for_each = jsondecode(file("${path.module}/filters.json"))

      content {
        pattern = jsonencode(filter.value)
      }
    }
  }
}

# The Lambda says it in its log for each record; the page of the event and the Operations page list them.
resource "aws_cloudwatch_log_metric_filter" "unmapped" {
  name           = "${var.name_prefix}-UnmappedRecords"
  log_group_name = aws_cloudwatch_log_group.stream.name
  pattern        = "\"a record cannot be repaired\""

  metric_transformation {
    namespace     = var.name_prefix
    name          = "UnmappedRecords"
    value         = "1"
    default_value = "0"
  }
}
