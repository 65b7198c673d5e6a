data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "stream" {
  name               = "${var.name_prefix}-stream"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

# What the code does: the policy that is held to it, call for call.
resource "aws_iam_role_policy_attachment" "stream" {
  role       = aws_iam_role.stream.name
  policy_arn = var.policy_arn
}

# What Lambda itself does in its name.
resource "aws_iam_role_policy" "stream" {
  name   = "follow"
  role   = aws_iam_role.stream.id
  policy = data.aws_iam_policy_document.follow.json
}

data "aws_iam_policy_document" "follow" {
  statement {
    sid       = "ReadStream"
    actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
    resources = [var.stream_arn]
  }

  # A list of streams has no resource to name.
  statement {
    sid       = "ListStreams"
    actions   = ["dynamodb:ListStreams"]
    resources = ["*"]
  }

  statement {
    sid       = "TellFailures"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.failures.arn]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.stream.arn}:*"]
  }
}
