package okta

import "testing"

// TestLinesAreReadAlikeWithoutAVX2 does what the tests of lines do as other processors do it.
func TestLinesAreReadAlikeWithoutAVX2(t *testing.T) {
	if !canFollow {
		t.Skip("this processor has no AVX2: the other tests did it already")
	}
	canFollow = false
	defer func() { canFollow = true }()
	t.Run("ordinary", TestOrdinaryLinesGoTheFastWay)
	t.Run("values", TestValuesAreReadAlike)
	t.Run("targets", TestTargetsAreReadAlike)
	t.Run("damaged", TestDamagedLinesAreReadAlike)
}
