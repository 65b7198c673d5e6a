resource "aws_iam_policy" "stream" {
  name        = "${var.name_prefix}-stream"
  description = "Facedesk's Lambda that repairs what other services write: records and Facedesk's own state."
  policy      = data.aws_iam_policy_document.stream.json
}
