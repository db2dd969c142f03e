module github.com/okta-amau/okta-amau

go 1.26.0
