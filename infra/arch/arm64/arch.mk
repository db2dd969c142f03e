# Parameter Architecture=arm64 of template.yaml leads here.
FUNCTION_ARCH := arm64
FUNCTION_GOARCH := arm64
