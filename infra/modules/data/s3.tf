# Not versioned: a face that is deleted or has expired must be gone, and Facedesk writes no photo over another.
resource "aws_s3_bucket" "photos" {
  bucket = var.bucket_name
}

resource "aws_s3_bucket_public_access_block" "photos" {
  bucket                  = aws_s3_bucket.photos.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# Access by policies alone: whoever uploads, the bucket's owner owns.
resource "aws_s3_bucket_ownership_controls" "photos" {
  bucket = aws_s3_bucket.photos.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# With S3's own keys, or with the account's: the key's own policy lets in whoever may read a photo.
resource "aws_s3_bucket_server_side_encryption_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id

  rule {
    bucket_key_enabled = var.customer_key

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.customer_key ? "aws:kms" : "AES256"
      kms_master_key_id = one(aws_kms_key.data[*].arn)
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id

  # S3 rounds up to the next midnight: a photo outlives the record of its attempt. One that is run again or tried again
  # later is counted from its own day all the same. A photo that its event wants kept for longer is copied onto itself
  # by Facedesk, and is counted anew. Reference photos must lie under another prefix: those stay.
  rule {
    id     = "expire-submitted-photos"
    status = "Enabled"

    filter {
      prefix = "face-images/"
    }

    expiration {
      days = var.record_ttl_days
    }

    # For a bucket that was versioned before: what has expired would live on as an old version.
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  rule {
    id     = "drop-unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

data "aws_iam_policy_document" "tls_only" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.photos.arn, "${aws_s3_bucket.photos.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "photos" {
  bucket = aws_s3_bucket.photos.id
  policy = data.aws_iam_policy_document.tls_only.json

  # S3 refuses two changes of a bucket's access at once.
  depends_on = [aws_s3_bucket_public_access_block.photos]
}
