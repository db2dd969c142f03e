# Parameter Architecture=x86_64 of template.yaml leads here.
FUNCTION_ARCH := x86_64
FUNCTION_GOARCH := amd64
