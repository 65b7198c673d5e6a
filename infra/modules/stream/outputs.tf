output "settings" {
  description = "Facedesk's environment beside the output settings of the module data: that the stream is followed."
  value = {
    EVENT_INDEX_STREAM = "true"
  }

  # Not before it is.
  depends_on = [aws_lambda_event_source_mapping.records]
}

output "stream" {
  description = "What CloudWatch calls the Lambda and its queue of failures."
  value = {
    function = aws_lambda_function.stream.function_name
    queue    = aws_sqs_queue.failures.name
  }
}
