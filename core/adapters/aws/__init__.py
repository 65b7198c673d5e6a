"""The ports with DynamoDB, S3, Rekognition, CloudWatch and MongoDB."""
