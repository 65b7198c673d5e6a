"""The ports in production: DynamoDB, S3, Rekognition, CloudWatch, and MongoDB."""
