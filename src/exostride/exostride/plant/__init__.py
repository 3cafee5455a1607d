"""The world of a simulated session in MuJoCo: body, robot, belt, harness, guidance, drives and sensors."""
