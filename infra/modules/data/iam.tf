# A policy for each role. Those of all but the analyst are held, call for call, to what the code was seen to
# call while the test suite ran.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  # The collections of faces of this installation: one for each event that is searched for duplicates.
  collections = "arn:${data.aws_partition.current.partition}:rekognition:${var.region}:${data.aws_caller_identity.current.account_id}:collection/${var.table_name}-*"
}

# The server: pages and JSON API.
data "aws_iam_policy_document" "dashboard" {
  statement {
    sid = "Records"
    actions = [
      "dynamodb:DescribeTable",
      "dynamodb:GetItem",
      "dynamodb:Query",
      "dynamodb:Scan",
      "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.records.arn]
  }

  # A person who is erased: their records go, and the journal of it is kept meanwhile.
  statement {
    sid       = "EraseRecords"
    actions   = ["dynamodb:DeleteItem"]
    resources = [aws_dynamodb_table.records.arn]
  }

  # The journal has a partition of its own. Nobody but another service can put a record over one that is there.
  statement {
    sid       = "JournalOfErasures"
    actions   = ["dynamodb:PutItem"]
    resources = [aws_dynamodb_table.records.arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["facedesk-erasures"]
    }
  }

  statement {
    sid       = "RecordsOfAnEvent"
    actions   = ["dynamodb:Query"]
    resources = ["${aws_dynamodb_table.records.arn}/index/eventId-timestamp-index"]
  }

  # Entries can be added and read. Nothing that runs may change one or take one away.
  statement {
    sid       = "AuditTrail"
    actions   = ["dynamodb:PutItem", "dynamodb:Query"]
    resources = [aws_dynamodb_table.audit.arn]
  }

  # Facedesk's own state, such as who has which case, notes, sign-outs, and the lists of batches. What is kept of a
  # person who is erased is deleted. Updates count the requests of the API's tokens.
  statement {
    sid = "State"
    actions = [
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.state.arn]
  }

  # Without it S3 answers "forbidden", not "not there", for a photo that is missing.
  statement {
    sid       = "WhetherPhotosExist"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.photos.arn]
  }

  statement {
    sid       = "ReadPhotos"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.photos.arn}/*"]
  }

  # Never a reference photo: with those the dashboard can only compare.
  statement {
    sid       = "KeepSubmittedPhotos"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.photos.arn}/face-images/*"]
  }

  # Of a person who is erased, every version; never a reference photo.
  statement {
    sid       = "FindVersionsToErase"
    actions   = ["s3:ListBucketVersions"]
    resources = [aws_s3_bucket.photos.arn]
  }

  statement {
    sid       = "EraseSubmittedPhotos"
    actions   = ["s3:DeleteObjectVersion"]
    resources = ["${aws_s3_bucket.photos.arn}/face-images/*"]
  }

  # Photos come as bytes: neither call has a resource to name.
  statement {
    sid       = "Faces"
    actions   = ["rekognition:CompareFaces", "rekognition:DetectFaces"]
    resources = ["*"]
  }

  # CloudWatch knows no resource for metrics that are read.
  statement {
    sid       = "Metrics"
    actions   = ["cloudwatch:GetMetricData"]
    resources = ["*"]
  }

  # Searches for people who registered twice: Amazon keeps what Rekognition makes of their faces.
  dynamic "statement" {
    for_each = var.find_duplicates ? [true] : []

    content {
      sid = "CollectionsOfFaces"
      actions = [
        "rekognition:DeleteCollection",
        "rekognition:DeleteFaces",
        "rekognition:IndexFaces",
        "rekognition:ListFaces",
        "rekognition:SearchFaces",
      ]
      resources = [local.collections]
    }
  }

  # A collection that is created, and a list of all, have no resource to name.
  dynamic "statement" {
    for_each = var.find_duplicates ? [true] : []

    content {
      sid       = "CreateAndListCollections"
      actions   = ["rekognition:CreateCollection", "rekognition:ListCollections"]
      resources = ["*"]
    }
  }
}

# Whoever runs `python -m core provision`, `backfill-index` and `shard-event`; nobody the rest of the time.
data "aws_iam_policy_document" "provisioner" {
  statement {
    sid = "Tables"
    actions = [
      "dynamodb:CreateTable",
      "dynamodb:DescribeContinuousBackups",
      "dynamodb:DescribeTable",
      "dynamodb:DescribeTimeToLive",
      "dynamodb:UpdateContinuousBackups",
      "dynamodb:UpdateTable",
      "dynamodb:UpdateTimeToLive",
    ]
    resources = [aws_dynamodb_table.records.arn]
  }

  statement {
    sid = "AuditTable"
    actions = [
      "dynamodb:CreateTable",
      "dynamodb:DescribeContinuousBackups",
      "dynamodb:DescribeTable",
      "dynamodb:DescribeTimeToLive",
      "dynamodb:UpdateContinuousBackups",
      "dynamodb:UpdateTable",
    ]
    resources = [aws_dynamodb_table.audit.arn]
  }

  statement {
    sid = "StateTable"
    actions = [
      "dynamodb:CreateTable",
      "dynamodb:DescribeContinuousBackups",
      "dynamodb:DescribeTable",
      "dynamodb:DescribeTimeToLive",
      "dynamodb:UpdateContinuousBackups",
      "dynamodb:UpdateTable",
      "dynamodb:UpdateTimeToLive",
    ]
    resources = [aws_dynamodb_table.state.arn]
  }

  statement {
    sid       = "Backfill"
    actions   = ["dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.records.arn]
  }

  # The records under an event's own key, which go over to its shards.
  statement {
    sid       = "RecordsOfAnEvent"
    actions   = ["dynamodb:Query"]
    resources = ["${aws_dynamodb_table.records.arn}/index/eventId-timestamp-index"]
  }

  # Which records name the photos that lie in no upload folder, so that an erasure need not read the table; and the
  # shards of events.
  statement {
    sid       = "State"
    actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
    resources = [aws_dynamodb_table.state.arn]
  }
}

# The Lambda that follows the table's stream, if there is one.
data "aws_iam_policy_document" "stream" {
  statement {
    sid       = "RepairRecords"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.records.arn]
  }

  # Which records name the photos that lie in no upload folder, and those that cannot be repaired.
  statement {
    sid       = "State"
    actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
    resources = [aws_dynamodb_table.state.arn]
  }
}

# People who look at figures with tools of their own: records and metrics, read only, and no face.
data "aws_iam_policy_document" "analyst" {
  statement {
    sid = "ReadRecords"
    actions = [
      "dynamodb:DescribeTable",
      "dynamodb:GetItem",
      "dynamodb:Query",
      "dynamodb:Scan",
    ]
    resources = [aws_dynamodb_table.records.arn]
  }

  statement {
    sid       = "ReadRecordsOfAnEvent"
    actions   = ["dynamodb:Query", "dynamodb:Scan"]
    resources = ["${aws_dynamodb_table.records.arn}/index/eventId-timestamp-index"]
  }

  statement {
    sid       = "Metrics"
    actions   = ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "dashboard" {
  name        = "${var.name_prefix}-dashboard"
  description = "Facedesk's server: records, photos, face engine, metrics."
  policy      = data.aws_iam_policy_document.dashboard.json
}

resource "aws_iam_policy" "provisioner" {
  name        = "${var.name_prefix}-provisioner"
  description = "Facedesk's commands provision, backfill-index and shard-event."
  policy      = data.aws_iam_policy_document.provisioner.json
}

resource "aws_iam_policy" "analyst" {
  name        = "${var.name_prefix}-analyst"
  description = "Facedesk's records and metrics, read only, without photos."
  policy      = data.aws_iam_policy_document.analyst.json
}
